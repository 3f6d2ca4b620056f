// ash_bench: the sweep of bench/tables.py as a program of one file, for machines without Python.
//
//     ash_bench [--threads 1,2,4] [--models 128,256] [--repeats 3] [--settings seed,default] [FILE.json]
//
// Table and candidates come from a sweep file (bench/sweep.py), usually inside the program. Exit status: 0; 1, with a
// sentence, for an answer that is wrong or a file that cannot be read or written; 2, with a sentence, for wrong
// arguments.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "memory.hpp"
#include "report.hpp"
#include "sweep_file.hpp"
#include "times.hpp"

namespace {

using namespace ash::bench;

constexpr std::size_t kModelsOfMemory = 32;

Sweep load(const std::string& path) {
    if (!path.empty()) return read_sweep(path);
    if (embedded_sweep().empty()) {
        throw UsageError("this program was built without a sweep file: name one by --sweep FILE");
    }
    return read_sweep(embedded_sweep());
}

void check(const Sweep& sweep, const Arguments& arguments) {
    for (const std::string& name : arguments.settings) {
        const std::size_t count = sweep.setting(name).candidates.size();
        const std::size_t wanted =
            arguments.allocations ? kModelsOfMemory : static_cast<std::size_t>(arguments.models.back());
        if (wanted <= count) continue;
        throw UsageError(std::to_string(wanted) + " models are more than the " + std::to_string(count) +
                         " candidates of the setting " + name);
    }
    if (arguments.json.empty()) return;
    if (!writable(arguments.json)) throw UsageError("cannot write " + arguments.json);
}

void measure(const Arguments& arguments) {
    const Sweep sweep = load(arguments.sweep);
    check(sweep, arguments);
    const Results facts = machine();
    const auto start = std::chrono::steady_clock::now();
    Results results;
    const auto text = [&] {
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
        return report(facts, sweep.table, passed.count(), results);
    };
    const auto keep = [&] {
        if (!arguments.json.empty()) write(arguments.json, text());
    };
    if (arguments.allocations) {
        measure_allocations(sweep, results);
    } else {
        measure_times(sweep, arguments, results, keep);
    }
    write(arguments.json, text());
}

}  // namespace

int main(int count, char** words) {
    try {
        const std::vector<const char*> given(words + std::min(count, 1), words + count);
        const Arguments arguments = read_arguments(given);
        if (arguments.help) {
            std::fputs(kHelp, stdout);
        } else {
            measure(arguments);
        }
        return 0;
    } catch (const UsageError& error) {
        std::fprintf(stderr, "ash_bench: %s (see ash_bench --help)\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ash_bench: %s\n", error.what());
        return 1;
    }
}
