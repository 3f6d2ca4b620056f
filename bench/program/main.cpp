// ash_bench: performs the runs of bench/tables in a single executable, for machines without Python.
//
//     [OMP_NUM_THREADS=1,2,4] ash_bench [--models 128,256] [--rounds 3] FILE.json
//
// Writes the measured part of the results that `python -m bench tables` writes. The table and the candidates are
// compiled in: bench/program/__init__.py generates the file ASH_BENCH_SWEEP, which contains them. Exit status: 0 for
// success, 1 if a result is wrong or a file cannot be written, 2 for wrong arguments. A message explains each failure.
#include <sched.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "ash/build_info.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/run/tuner.hpp"

namespace {

struct Candidate {
    std::array<int, 3> widths;  // widths of the hidden layers; 0 if a layer does not exist
    std::array<const char*, 3> activations;
    std::array<const char*, 3> names;  // optimizer, learning rate schedule, initialization
    std::array<double, 9> numbers;     // rate, momentum, beta1, beta2, epsilon, l2, weight decay, dropout, smoothing
    std::int64_t batch_size;           // 0 for full batches
};

struct Setting {
    const char* name;
    ash::Continuation training;
    std::span<const Candidate> candidates;  // a run with k models uses the first k of them
};

#ifdef ASH_BENCH_SWEEP
#include ASH_BENCH_SWEEP
#else
const char* const kOrigin = "";              // JSON: the commit and the code from which the program was built
const char* const kTable = "";               // name of the table
const std::array<std::int64_t, 3> kShape{};  // rows, features, classes
const std::array<double, 1> kX{};
const std::array<double, 1> kY{};
const std::array<std::int64_t, 1> kTraining{};
const std::array<std::int64_t, 1> kValidation{};
const std::array<Setting, 0> kSettings{};
#endif

constexpr std::uint64_t kSeed = 0;
constexpr std::int64_t kEta = 2;
constexpr std::int64_t kMinEpochs = 1;
constexpr std::int64_t kNoMemoryLimit = 0;
constexpr std::int64_t kWarmUp = 32;  // models
constexpr double kLongWait = 60.0;
constexpr std::int64_t kMostThreads = 1024;
constexpr std::int64_t kMostModels = 2048;
constexpr std::int64_t kMostRounds = 100;

constexpr const char* kHelp = R"(usage: [OMP_NUM_THREADS=1,2,4] ash_bench [--models 128,256] [--rounds 3] FILE.json

Measures successive halving (SH) and its asynchronous form (ASH) for every number of models and of threads, and writes
the figures to FILE.json as they come. Before a time counts, all threads and teams must have given the same models, bit
for bit.

  OMP_NUM_THREADS    thread counts (1, 2, 4, ... up to the CPUs allowed)
  --models           numbers of candidates (128,256,512,1024,2048)
  --rounds           repeats of each run, in turn with the others (3)

Copied to bench/results/tables-NAME.json it is read by `python -m bench report`.
)";

struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Arguments {
    std::vector<std::int64_t> threads;  // sorted, without duplicates, including 1
    std::vector<std::int64_t> models{128, 256, 512, 1024, 2048};
    std::int64_t rounds = 3;
    std::string json;
};

struct Variant {
    const char* name;
    ash::Algorithm algorithm;
    bool teams;
};

constexpr std::array kVariants = {Variant{"sh", ash::Algorithm::sh, false}, Variant{"ash", ash::Algorithm::ash, false},
                                  Variant{"teams", ash::Algorithm::ash, true}};

struct Rung {
    std::int64_t jobs = 0;
    std::int64_t epochs = 0;    // epochs per job
    double milliseconds = 0.0;  // sum of the durations of all jobs
};

struct Run {
    double wall = 0.0;  // wall-clock seconds
    std::map<std::int32_t, Rung> rungs;
    std::uint64_t digest = 0xcbf29ce484222325ULL;  // hash of all decided jobs; see digest() in bench/program
};

struct Case {
    Variant variant;
    std::int64_t threads;
    std::vector<Run> runs;

    std::string name() const { return std::string(variant.name) + " " + std::to_string(threads); }
};

// Returns the number of CPUs that the affinity mask of this process allows.
int allowed_cpus() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    // The machine has more CPUs than the mask can hold.
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void sort_once(std::vector<std::int64_t>& values) {
    std::ranges::sort(values);
    values.erase(std::ranges::unique(values).begin(), values.end());
}

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
    sort_once(values);
    return values;
}

std::vector<std::int64_t> thread_counts() {
    const char* text = std::getenv("OMP_NUM_THREADS");
    std::vector<std::int64_t> counts;
    if (text != nullptr && *text != '\0') {
        counts = integers("OMP_NUM_THREADS", text, kMostThreads);
    } else {
        for (std::int64_t count = 2; count < allowed_cpus(); count *= 2) counts.push_back(count);
        counts.push_back(allowed_cpus());
    }
    counts.push_back(1);
    sort_once(counts);
    return counts;
}

Arguments read_arguments(std::span<char*> words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string word = words[i];
        if (word == "--models" || word == "--rounds") {
            if (++i == words.size()) throw UsageError(word + " needs a value");
            if (word == "--models") arguments.models = integers(word, words[i], kMostModels);
            if (word == "--rounds") arguments.rounds = integers(word, words[i], kMostRounds).front();
        } else if (word.starts_with("-")) {
            throw UsageError("there is no option " + word);
        } else {
            arguments.json = word;
        }
    }
    if (arguments.json.empty()) throw UsageError("give the name of the JSON file to write");
    arguments.threads = thread_counts();
    return arguments;
}

ash::Settings settings_of(const Candidate& candidate) {
    ash::Settings settings;
    settings.hidden.clear();
    settings.activations.clear();
    for (std::size_t layer = 0; layer < candidate.widths.size() && candidate.widths[layer] > 0; ++layer) {
        settings.hidden.push_back(candidate.widths[layer]);
        settings.activations.push_back(ash::parse<ash::Activation>(candidate.activations[layer]));
    }
    settings.optimizer = ash::parse<ash::Optimizer>(candidate.names[0]);
    settings.learning_rate_schedule = ash::parse<ash::LearningRateSchedule>(candidate.names[1]);
    settings.initialization = ash::parse<ash::Initialization>(candidate.names[2]);
    const std::array places = {&settings.learning_rate, &settings.momentum, &settings.beta1,
                               &settings.beta2,         &settings.epsilon,  &settings.l2,
                               &settings.weight_decay,  &settings.dropout,  &settings.label_smoothing};
    for (std::size_t i = 0; i < places.size(); ++i) *places[i] = candidate.numbers[i];
    settings.batch_size = candidate.batch_size;
    ash::check(settings);
    return settings;
}

void take(Run& run, const ash::JobRecord& job) {
    Rung& rung = run.rungs[job.task.job.rung];
    ++rung.jobs;
    rung.epochs = job.task.job.epochs;
    rung.milliseconds += 1e3 * (job.end - job.start);
    const double score = std::isnan(job.score) ? std::numeric_limits<double>::quiet_NaN() : job.score;
    for (const std::uint64_t word :
         {static_cast<std::uint64_t>(job.task.job.candidate), static_cast<std::uint64_t>(job.task.job.rung),
          std::bit_cast<std::uint64_t>(score), job.weights_hash}) {
        run.digest = (run.digest ^ word) * 0x100000001b3ULL;
    }
}

Run run_once(const ash::Data& data, const Setting& setting, std::int64_t models, const Case& one) {
    const ash::TunerSettings settings{
        .ladder = {.candidates = models, .eta = kEta, .min_epochs = kMinEpochs, .algorithm = one.variant.algorithm},
        .threads = static_cast<int>(one.threads),
        .teams = one.variant.teams};
    std::vector<ash::Settings> candidates;
    for (const Candidate& each : setting.candidates.first(static_cast<std::size_t>(models))) {
        candidates.push_back(settings_of(each));
    }
    const ash::Fold whole{data,
                          {.kernels = ash::kernels(""),
                           .seed = kSeed,
                           .continuation = setting.training,
                           .min_epochs = kMinEpochs,
                           .eta = kEta}};
    ash::Tuner tuner(std::make_unique<ash::Candidates>(std::vector<ash::Fold>{whole}, std::move(candidates), models,
                                                       settings.threads, kNoMemoryLimit),
                     settings);
    const auto start = std::chrono::steady_clock::now();
    tuner.start();
    while (!tuner.wait(kLongWait)) continue;
    Run run;
    run.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (const ash::JobRecord& job : tuner.records().jobs()) take(run, job);
    return run;
}

// A team needs at least two threads, so one thread is measured without teams.
std::vector<Case> cases_of(const std::vector<std::int64_t>& threads) {
    std::vector<Case> cases;
    for (const std::int64_t count : threads) {
        for (const Variant& variant : kVariants) {
            if (!variant.teams || count > 1) cases.push_back({variant, count, {}});
        }
    }
    return cases;
}

const Case& first_of(const std::vector<Case>& cases, ash::Algorithm algorithm) {
    return *std::ranges::find_if(cases, [&](const Case& one) { return one.variant.algorithm == algorithm; });
}

// Runs all cases, in reverse order if `back` is set. All runs of an algorithm must equal its first run.
void run_all(const ash::Data& data, const Setting& setting, std::int64_t models, std::vector<Case>& cases, bool back) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
        Case& one = cases[back ? cases.size() - 1 - i : i];
        one.runs.push_back(run_once(data, setting, models, one));
    }
    for (const Case& one : cases) {
        const Case& answer = first_of(cases, one.variant.algorithm);
        if (one.runs.back().digest == answer.runs.front().digest) continue;
        throw std::runtime_error(std::string(setting.name) + ", " + std::to_string(models) + ", " + one.name() +
                                 ": the outcome differs from that of " + answer.name() + ": nothing to time");
    }
}

std::string number(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.6g", value);
    return text.data();
}

std::string quote(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return result + '"';
}

// Returns a JSON object. The values of `members` must already be JSON.
std::string object(const std::vector<std::pair<std::string, std::string>>& members) {
    std::string result = "{";
    for (const auto& [key, value] : members) {
        result += (result.size() > 1 ? ", " : "") + quote(key) + ": " + value;
    }
    return result + "}";
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2.0;
}

// Returns, for each round, the value in one case divided by the value in another case.
std::vector<double> ratios(const Case& above, const Case& below, const std::function<double(const Run&)>& value) {
    std::vector<double> found;
    for (std::size_t i = 0; i < above.runs.size(); ++i) found.push_back(value(above.runs[i]) / value(below.runs[i]));
    return found;
}

std::string spread(const std::vector<double>& values) {
    const auto [least, most] = std::ranges::minmax(values);
    return object({{"min", number(least)}, {"median", number(median(values))}, {"max", number(most)}});
}

// Returns a JSON list with one entry per rung of a run.
std::string by_rung(const Run& run, const std::function<std::string(std::int32_t, const Rung&)>& text) {
    std::string result = "[";
    for (const auto& [rung, figures] : run.rungs) result += (result.size() > 1 ? ", " : "") + text(rung, figures);
    return result + "]";
}

std::string json_of_run(const std::vector<Case>& cases, const Case& one) {
    const Case& alone = first_of(cases, ash::Algorithm::ash);
    const auto wall = [](const Run& run) { return run.wall; };
    const auto job = [](std::int32_t rung) {
        return [rung](const Run& run) {
            return run.rungs.at(rung).milliseconds / static_cast<double>(run.rungs.at(rung).jobs);
        };
    };
    std::vector<double> walls;
    for (const Run& run : one.runs) walls.push_back(run.wall);
    const auto time = [&](std::int32_t rung, const Rung&) {
        std::vector<double> times;
        for (const Run& run : one.runs) times.push_back(job(rung)(run));
        return number(median(times));
    };
    const auto ratio = [&](std::int32_t rung, const Rung&) { return number(median(ratios(one, alone, job(rung)))); };
    return object({{"wall", spread(walls)},
                   {"over_sh", spread(ratios(first_of(cases, ash::Algorithm::sh), one, wall))},
                   {"over_ash", spread(ratios(alone, one, wall))},
                   {"job_ms", by_rung(one.runs.front(), time)},
                   {"job_ratio", by_rung(one.runs.front(), ratio)}});
}

std::string json_of_case(const std::vector<Case>& cases, std::int64_t rounds) {
    const Run& sh = first_of(cases, ash::Algorithm::sh).runs.front();
    const Run& ash = first_of(cases, ash::Algorithm::ash).runs.front();
    std::vector<std::pair<std::string, std::string>> runs;
    for (const Case& one : cases) runs.emplace_back(one.name(), json_of_run(cases, one));
    const auto epochs = [](std::int32_t, const Rung& rung) { return std::to_string(rung.epochs); };
    const auto jobs = [](std::int32_t, const Rung& rung) { return std::to_string(rung.jobs); };
    return object({{"rounds", std::to_string(rounds)},
                   {"epochs", by_rung(ash, epochs)},
                   {"jobs", by_rung(ash, jobs)},
                   {"runs", object(runs)},
                   {"digests", object({{"sh", std::to_string(sh.digest)}, {"ash", std::to_string(ash.digest)}})}});
}

std::string processor() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown";
}

// Returns a stamp like that of bench/machine.py: commit and trees come from the origin, all other fields describe this
// machine.
std::string stamp() {
    namespace info = ash::build_info;
    const std::time_t now = std::time(nullptr);
    std::array<char, 32> date{};
    std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S+00:00", std::gmtime(&now));
    const std::string flags = std::string(info::kFlags) + "; kernels: " + info::kKernelFlags;
    const std::string cpus =
        std::to_string(allowed_cpus()) + " of " + std::to_string(std::thread::hardware_concurrency());
    const std::string machine = object({{"processor", quote(processor())},
                                        {"cpus", quote(cpus)},
                                        {"compiler", quote(info::kCompiler)},
                                        {"flags", quote(flags)},
                                        {"instruction_set", quote(ash::available_kernels().front()->name)}});
    return std::string("{") + kOrigin + R"(, "date": )" + quote(date.data()) +
           R"(, "load": "", "packages": {}, "machine": )" + machine + "}";
}

// Writes the whole file, or leaves it unchanged.
void write(const std::string& path, const std::string& text) {
    const std::string beside = path + ".new";
    {
        std::ofstream file(beside);
        file << text;
        if (!file.flush()) throw std::runtime_error("cannot write " + beside);
    }
    std::error_code error;
    std::filesystem::rename(beside, path, error);
    if (error) throw std::runtime_error("cannot write " + path + ": " + error.message());
}

void measure(const Arguments& arguments) {
    if (kSettings.empty()) throw std::runtime_error("built without table and candidates: use python -m bench program");
    const ash::Table table{
        kX.data(), kY.data(), kShape[0], static_cast<int>(kShape[1]), 1, static_cast<int>(kShape[2])};
    const ash::Data data(table, kTraining, kValidation, true);
    const std::string head = "{\"measured\": [\n" + stamp() + "\n],\n\"cases\": {\n";
    std::string lines;
    write(arguments.json, head + "}}\n");  // fails now rather than after an hour of runs
    for (const std::int64_t models : arguments.models) {
        for (const Setting& setting : kSettings) {
            const auto start = std::chrono::steady_clock::now();
            std::vector<Case> cases = cases_of(arguments.threads);
            for (const Case& one : cases) run_once(data, setting, std::min(kWarmUp, models), one);
            for (std::int64_t round = 0; round < arguments.rounds; ++round) {
                run_all(data, setting, models, cases, round % 2 == 1);
            }
            const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
            const std::string key = std::string(kTable) + ", " + setting.name + ", " + std::to_string(models);
            std::fprintf(stderr, "%s (%.1f s)\n", key.c_str(), passed.count());
            const std::string value = json_of_case(cases, arguments.rounds);
            lines += (lines.empty() ? "" : ",\n") + quote(key) + ": " +
                     object({{"of", "0"}, {"seconds", number(passed.count())}, {"told", "{}"}, {"value", value}});
            write(arguments.json, head + lines + "\n}}\n");
        }
    }
}

}  // namespace

int main(int count, char** words) {
    try {
        const std::span given(words + std::min(count, 1), words + count);
        const auto asks = [](std::string_view word) { return word == "--help" || word == "-h"; };
        if (std::ranges::any_of(given, asks)) {
            std::fputs(kHelp, stdout);
        } else {
            measure(read_arguments(given));
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
