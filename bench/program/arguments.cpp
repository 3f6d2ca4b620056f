#include "arguments.hpp"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>

namespace ash::bench {
namespace {

constexpr std::int64_t kMostThreads = 1024;
constexpr std::int64_t kMostModels = 65'536;
constexpr std::int64_t kMostRepeats = 100;

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> words;
    for (std::size_t comma = 0; comma != std::string_view::npos;) {
        comma = text.find(',');
        words.emplace_back(text.substr(0, comma));
        if (comma != std::string_view::npos) text.remove_prefix(comma + 1);
    }
    return words;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// Sorted, each once.
std::vector<std::int64_t> whole_numbers(const std::string& name, const std::string& text, std::int64_t most) {
    std::vector<std::int64_t> values;
    for (const std::string& word : split(text)) {
        const std::optional<std::int64_t> value = whole_number(word);
        if (!value || *value < 1 || *value > most) {
            throw UsageError(name + " " + text + " is not allowed: give integers from 1 to " + std::to_string(most) +
                             ", with commas between");
        }
        values.push_back(*value);
    }
    std::ranges::sort(values);
    values.erase(std::ranges::unique(values).begin(), values.end());
    return values;
}

std::vector<std::string> setting_names(const std::string& text) {
    std::vector<std::string> names = split(text);
    const bool known = std::ranges::all_of(names, [](const auto& name) { return name == "seed" || name == "default"; });
    if (!known || names.size() > 2 || (names.size() == 2 && names[0] == names[1])) {
        throw UsageError("--settings " + text + " is not allowed: give seed, default or seed,default");
    }
    return names;
}

std::vector<std::int64_t> default_threads() {
    const char* text = std::getenv("OMP_NUM_THREADS");
    if (text != nullptr && *text != '\0') return whole_numbers("OMP_NUM_THREADS", text, kMostThreads);
    std::vector<std::int64_t> counts;
    for (std::int64_t count = 1; count < allowed_cpus(); count *= 2) counts.push_back(count);
    counts.push_back(allowed_cpus());
    return counts;
}

void take(Arguments& to, const std::string& option, const std::string& value) {
    if (option == "--threads") {
        to.threads = whole_numbers(option, value, kMostThreads);
    } else if (option == "--models") {
        to.models = whole_numbers(option, value, kMostModels);
    } else if (option == "--repeats") {
        const std::vector<std::int64_t> repeats = whole_numbers(option, value, kMostRepeats);
        if (repeats.size() != 1) throw UsageError("--repeats " + value + " is not allowed: give one integer");
        to.repeats = static_cast<int>(repeats.front());
    } else if (option == "--settings") {
        to.settings = setting_names(value);
    } else {
        to.sweep = value;
    }
}

bool takes_value(std::string_view option) {
    return option == "--threads" || option == "--models" || option == "--repeats" || option == "--settings" ||
           option == "--sweep";
}

}  // namespace

const char* const kHelp = R"(usage: ash_bench [options] [FILE.json]

Measures successive halving (SH) and its asynchronous form (ASH) for every number of models and of threads, and writes
the figures as JSON to FILE.json, or to standard output. Before it ends it has checked that all threads and teams gave
the same models, bit for bit.

  --threads 1,2,4     thread counts; else the list in OMP_NUM_THREADS, else 1, 2, 4, ... up to the CPUs allowed
  --models 128,256    numbers of candidates (128,256,512,1024,2048)
  --repeats N         of every case, in turn with those beside it (3)
  --settings NAMES    seed: the student project's networks, full batch, from scratch in every rung;
                      default: the default space of ash, resumed. (seed,default)
  --sweep FILE        table and candidates, made by `python -m bench program`; else those inside the program
  --allocations       only this: bytes allocated for 2, 4, 8, 16 and 32 models of the setting seed, on one thread
  --help              this text

With FILE.json what is measured is written after every number of models, so a run that is cut off keeps what it has.
Copied to bench/results/program.json it is read by `python -m bench report`.
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
        if (word == "--allocations") {
            arguments.allocations = true;
        } else if (takes_value(word)) {
            if (i + 1 == words.size()) throw UsageError(word + " needs a value");
            take(arguments, word, words[++i]);
        } else if (word.starts_with("-")) {
            throw UsageError("there is no option " + word);
        } else if (!arguments.json.empty()) {
            throw UsageError("two files, " + arguments.json + " and " + word + ", are one too many");
        } else {
            arguments.json = word;
        }
    }
    if (arguments.threads.empty()) arguments.threads = default_threads();
    return arguments;
}

}  // namespace ash::bench
