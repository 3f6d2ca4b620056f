// ash_bench: the runs of bench/tables as a program of one file, for machines without Python.
//
//     [OMP_NUM_THREADS=1,2,4] ash_bench [--models 128,256] [--rounds 3] FILE.json
//
// Writes what `python -m bench tables` writes, as far as it is measured. Exit status: 0; 1, with a sentence, for an
// answer that is wrong or a file that cannot be written; 2, with a sentence, for wrong arguments.
#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "ash/build_info.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/tuner.hpp"
#include "sweep_file.hpp"

namespace {

using namespace ash::bench;
using Members = std::vector<std::pair<std::string, std::string>>;  // keys, and values that are JSON already

constexpr std::uint64_t kSeed = 0;
constexpr std::int64_t kEta = 2;
constexpr std::int64_t kMinEpochs = 1;
constexpr std::int64_t kNoMemoryLimit = 0;
constexpr std::int64_t kWarmUp = 32;  // models
constexpr double kLongWait = 60.0;

struct Variant {
    const char* name;
    ash::Algorithm algorithm;
    bool teams;
};

constexpr std::array kVariants = {Variant{"sh", ash::Algorithm::sh, false}, Variant{"ash", ash::Algorithm::ash, false},
                                  Variant{"teams", ash::Algorithm::ash, true}};

struct Rung {
    std::int64_t jobs = 0;
    std::int64_t epochs = 0;  // of a job
    double seconds = 0.0;     // of all jobs, from start to end
};

struct Run {
    double wall = 0.0;  // seconds
    std::map<std::int32_t, Rung> rungs;
    std::uint64_t digest =
        0xcbf29ce484222325ULL;  // of all jobs in order of decision; bench/program/__init__.py has it too
};

struct Case {
    Variant variant;
    std::int64_t threads;
    std::vector<Run> runs;

    std::string name() const { return std::string(variant.name) + " " + std::to_string(threads); }
};

void take(Run& run, const ash::JobRecord& job) {
    Rung& rung = run.rungs[job.task.job.rung];
    ++rung.jobs;
    rung.epochs = job.task.job.epochs;
    rung.seconds += job.end - job.start;
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
    const auto first = setting.candidates.begin();
    ash::Tuner tuner(
        std::make_unique<ash::NetworkCandidates>(data, std::vector<ash::Settings>(first, first + models), models,
                                                 setting.training, ash::Metric::accuracy, kSeed, ash::kernels(""),
                                                 static_cast<int>(one.threads), kMinEpochs, kEta, kNoMemoryLimit),
        settings);
    const auto start = std::chrono::steady_clock::now();
    tuner.start();
    while (!tuner.wait(kLongWait)) continue;
    Run run;
    run.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (const ash::JobRecord& job : tuner.jobs()) take(run, job);
    return run;
}

// One thread has nobody to help, so there are no teams of it.
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

// Every other round backwards; the first run of each algorithm is the answer of all others.
void run_all(const Sweep& sweep, const Setting& setting, std::int64_t models, std::vector<Case>& cases, bool reverse) {
    const std::size_t count = cases.size();
    for (std::size_t i = 0; i < count; ++i) {
        Case& one = cases[reverse ? count - 1 - i : i];
        one.runs.push_back(run_once(sweep.data, setting, models, one));
    }
    for (const Case& one : cases) {
        const Case& answer = first_of(cases, one.variant.algorithm);
        if (one.runs.back().digest == answer.runs.front().digest) continue;
        throw std::runtime_error(setting.name + ", " + std::to_string(models) + ", " + one.name() +
                                 ": the outcome differs from that of " + answer.name() + ": nothing to time");
    }
}

std::string number(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.6g", value);
    return text.data();
}

std::string json_text(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return result + '"';
}

std::string object(const Members& members, const char* separator = ", ") {
    std::string result = "{";
    for (const auto& [key, value] : members) {
        result += (result.size() > 1 ? separator : "") + json_text(key) + ": " + value;
    }
    return result + "}";
}

template <typename Values>
std::string list(const Values& values, const std::function<std::string(const typename Values::value_type&)>& text) {
    std::string result = "[";
    for (const auto& value : values) result += (result.size() > 1 ? ", " : "") + text(value);
    return result + "]";
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2.0;
}

std::string spread(const std::vector<double>& values) {
    return object({{"min", number(std::ranges::min(values))},
                   {"median", number(median(values))},
                   {"max", number(std::ranges::max(values))}});
}

// Of the values of each round, by those of another case.
std::vector<double> ratios(const Case& above, const Case& below, const std::function<double(const Run&)>& value) {
    std::vector<double> found;
    for (std::size_t i = 0; i < above.runs.size(); ++i) found.push_back(value(above.runs[i]) / value(below.runs[i]));
    return found;
}

std::string json_of_run(const std::vector<Case>& cases, const Case& one) {
    const auto wall = [](const Run& run) { return run.wall; };
    const Case& alone = first_of(cases, ash::Algorithm::ash);
    std::vector<double> walls;
    for (const Run& run : one.runs) walls.push_back(run.wall);
    std::vector<double> milliseconds;
    std::vector<double> job_ratios;
    for (const auto& [rung, figures] : one.runs.front().rungs) {
        const auto mean = [rung = rung](const Run& run) {
            const Rung& own = run.rungs.at(rung);
            return 1e3 * own.seconds / static_cast<double>(own.jobs);
        };
        std::vector<double> means;
        for (const Run& run : one.runs) means.push_back(mean(run));
        milliseconds.push_back(median(means));
        job_ratios.push_back(median(ratios(one, alone, mean)));
    }
    return object({{"wall", spread(walls)},
                   {"over_sh", spread(ratios(first_of(cases, ash::Algorithm::sh), one, wall))},
                   {"over_ash", spread(ratios(alone, one, wall))},
                   {"job_ms", list(milliseconds, number)},
                   {"job_ratio", list(job_ratios, number)}});
}

std::string json_of_case(const std::vector<Case>& cases, std::int64_t rounds) {
    const Run& first = first_of(cases, ash::Algorithm::ash).runs.front();
    Members runs;
    for (const Case& one : cases) runs.emplace_back(one.name(), json_of_run(cases, one));
    Members digests;
    for (const ash::Algorithm algorithm : {ash::Algorithm::sh, ash::Algorithm::ash}) {
        const Case& one = first_of(cases, algorithm);
        digests.emplace_back(one.variant.name, json_text(std::to_string(one.runs.front().digest)));
    }
    using Entry = std::map<std::int32_t, Rung>;
    return object(
        {{"rounds", std::to_string(rounds)},
         {"epochs", list<Entry>(first.rungs, [](const auto& rung) { return std::to_string(rung.second.epochs); })},
         {"jobs", list<Entry>(first.rungs, [](const auto& rung) { return std::to_string(rung.second.jobs); })},
         {"runs", object(runs)},
         {"digests", object(digests)}});
}

std::string processor() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown";
}

// A stamp of bench/machine.py: the origin has commit and trees, the rest is of this machine.
std::string stamp(const Sweep& sweep) {
    namespace info = ash::build_info;
    const std::time_t now = std::time(nullptr);
    std::array<char, 32> date{};
    std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S+00:00", std::gmtime(&now));
    const std::string cpus =
        std::to_string(allowed_cpus()) + " of " + std::to_string(std::thread::hardware_concurrency());
    const std::string machine =
        object({{"processor", json_text(processor())},
                {"cpus", json_text(cpus)},
                {"compiler", json_text(info::kCompiler)},
                {"flags", json_text(std::string(info::kFlags) + "; kernels: " + info::kKernelFlags)},
                {"instruction_set", json_text(ash::available_kernels().front()->name)}});
    return "{" + sweep.origin + R"(, "date": )" + json_text(date.data()) +
           R"(, "load": "", "packages": {}, "machine": )" + machine + "}";
}

// Whole or not at all.
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
    const Sweep sweep = read_sweep();
    const std::string origin = stamp(sweep);
    Members lines;
    const auto keep = [&] {
        write(arguments.json, "{\"measured\": [\n" + origin + "\n],\n\"cases\": " + object(lines, ",\n") + "}\n");
    };
    keep();  // that it cannot be written is found out before an hour has passed
    for (const std::int64_t models : arguments.models) {
        for (const Setting& setting : sweep.settings) {
            const auto start = std::chrono::steady_clock::now();
            std::vector<Case> cases = cases_of(arguments.threads);
            for (const Case& one : cases) run_once(sweep.data, setting, std::min(kWarmUp, models), one);
            for (std::int64_t round = 0; round < arguments.rounds; ++round) {
                run_all(sweep, setting, models, cases, round % 2 == 1);
            }
            const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
            const std::string key = sweep.table + ", " + setting.name + ", " + std::to_string(models);
            std::fprintf(stderr, "%s (%.1f s)\n", key.c_str(), passed.count());
            lines.emplace_back(key, object({{"of", "0"},
                                            {"seconds", number(passed.count())},
                                            {"told", "{}"},
                                            {"value", json_of_case(cases, arguments.rounds)}}));
            keep();
        }
    }
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
