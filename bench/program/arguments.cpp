#include "arguments.hpp"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <ranges>
#include <string_view>
#include <system_error>
#include <thread>

namespace ash::bench {
namespace {

constexpr std::int64_t kMostThreads = 1024;
constexpr std::int64_t kMostModels = 2048;
constexpr std::int64_t kMostRounds = 100;

// Sorted, each once.
std::vector<std::int64_t> integers(const std::string& name, std::string_view text, std::int64_t most) {
    std::vector<std::int64_t> values;
    for (const auto part : std::views::split(text, ',')) {
        const std::string_view word(part.begin(), part.end());
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
        if (error != std::errc() || end != word.data() + word.size() || value < 1 || value > most) {
            throw UsageError(name + " " + std::string(text) + " is not allowed: give integers from 1 to " +
                             std::to_string(most) + ", with commas between");
        }
        values.push_back(value);
    }
    std::ranges::sort(values);
    values.erase(std::ranges::unique(values).begin(), values.end());
    return values;
}

std::vector<std::int64_t> thread_counts() {
    const char* text = std::getenv("OMP_NUM_THREADS");
    std::vector<std::int64_t> counts{1};
    if (text != nullptr && *text != '\0') {
        const std::vector<std::int64_t> asked = integers("OMP_NUM_THREADS", text, kMostThreads);
        counts.insert(counts.end(), asked.begin(), asked.end());
    } else {
        for (std::int64_t count = 2; count < allowed_cpus(); count *= 2) counts.push_back(count);
        counts.push_back(allowed_cpus());
    }
    std::ranges::sort(counts);
    counts.erase(std::ranges::unique(counts).begin(), counts.end());
    return counts;
}

}  // namespace

const char* const kHelp = R"(usage: [OMP_NUM_THREADS=1,2,4] ash_bench [--models 128,256] [--rounds 3] FILE.json

Measures successive halving (SH) and its asynchronous form (ASH) for every number of models and of threads, and writes
the figures to FILE.json after every number of models. Before a time counts, all threads and teams must have given the
same models, bit for bit.

  OMP_NUM_THREADS    thread counts (1, 2, 4, ... up to the CPUs allowed)
  --models           numbers of candidates (128,256,512,1024,2048)
  --rounds           repeats of each run, in turn with the others (3)

Copied to bench/results/tables-NAME.json it is read by `python -m bench report`.
)";

int allowed_cpus() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));  // more CPUs than the mask can hold
}

Arguments read_arguments(std::span<const char* const> words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string word = words[i];
        if (word == "--help" || word == "-h") {
            arguments.help = true;
            return arguments;
        }
        if (word == "--models" || word == "--rounds") {
            if (++i == words.size()) throw UsageError(word + " needs a value");
            if (word == "--models") arguments.models = integers(word, words[i], kMostModels);
            if (word == "--rounds") arguments.rounds = integers(word, words[i], kMostRounds).front();
        } else if (word.starts_with("-")) {
            throw UsageError("there is no option " + word);
        } else if (!arguments.json.empty()) {
            throw UsageError("two files were given, " + arguments.json + " and " + word + "; give one");
        } else {
            arguments.json = word;
        }
    }
    if (arguments.json.empty()) throw UsageError("give the name of the JSON file to write");
    arguments.threads = thread_counts();
    return arguments;
}

}  // namespace ash::bench
