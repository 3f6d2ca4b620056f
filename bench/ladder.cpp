// bench/ladder.cpp: what a decision of the ladder costs, from a hundred candidates to ten million.
//
//     bench_ladder [--kind KIND] [--sizes N,N,...] [--runs N] [FILE]
//
// prints JSON; with a FILE it prints a table and writes the JSON there. A kind is ash-capped, ash-paper or sh (default:
// all three, one after the other, so that only the first row's memory is its own; sizes from 100 to 1,000,000, 5 runs).
//
// A decision is a next(), its report() and take_retired(). 32 jobs are out at any time and end in the order they began;
// scores are a hash of the candidate and the rung. Before any time is taken each run is checked: every rung must have
// finished exactly its places, and every candidate must have retired. Promised: a million candidates in less than 2 s
// and 200 MB, less than 1 us a decision. Memory is the most that was resident, the program itself included.
#include "ash/ladder.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <ranges>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "ash/build_info.hpp"
#include "describe.hpp"

namespace {

constexpr std::size_t kWorkers = 32;
constexpr std::int64_t kDecisionsAtLeast = 2'000'000;  // small ladders are repeated until the clock can be trusted
constexpr std::int64_t kMostCandidates = 100'000'000;
constexpr std::int64_t kMostRuns = 1000;

struct Kind {
    std::string_view argument;
    const char* name;
    ash::Algorithm algorithm;
    ash::Promotion promotion;
};

constexpr std::array kKinds = {Kind{"ash-capped", "ash capped", ash::Algorithm::ash, ash::Promotion::capped},
                               Kind{"ash-paper", "ash paper", ash::Algorithm::ash, ash::Promotion::paper},
                               Kind{"sh", "sh", ash::Algorithm::sh, ash::Promotion::capped}};

// Of these candidates and rungs the scores are printed, so that who feeds others the same can compare.
constexpr std::array<std::pair<std::int32_t, std::int32_t>, 4> kProbes = {{{0, 0}, {1, 0}, {99, 5}, {9'999'999, 22}}};

struct Arguments {
    std::vector<Kind> kinds{kKinds.begin(), kKinds.end()};
    std::vector<std::int64_t> sizes = {100, 1'000, 10'000, 100'000, 1'000'000};
    std::int64_t runs = 5;
    std::string file;  // empty: none
};

struct Row {
    Kind kind;
    std::int64_t candidates;
    std::int64_t decisions;       // of one ladder
    std::vector<double> seconds;  // of one ladder, sorted
    double peak_megabytes;        // of the process up to here, after one ladder
};

// Uniform in [0, 1), the same on every machine (the finalizer of splitmix64).
double hashed_score(std::int32_t candidate, std::int32_t rung) {
    std::uint64_t x =
        (static_cast<std::uint64_t>(candidate) << 6) + static_cast<std::uint64_t>(rung) + 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1.0p-53;
}

struct Counts {
    std::int64_t decisions = 0;
    std::int64_t retired = 0;
};

Counts run(ash::Ladder& ladder) {
    std::deque<ash::Job> running;
    Counts counts;
    for (;;) {
        while (running.size() < kWorkers) {
            const auto job = ladder.next();
            if (!job) break;
            running.push_back(*job);
            ++counts.decisions;
        }
        if (running.empty()) return counts;
        const ash::Job& job = running.front();
        ladder.report(job, hashed_score(job.candidate, job.rung), 0.0);
        counts.retired += std::ssize(ladder.take_retired());
        running.pop_front();
    }
}

ash::Ladder make_ladder(const Kind& kind, std::int64_t candidates) {
    ash::LadderSettings settings;
    settings.candidates = candidates;
    settings.algorithm = kind.algorithm;
    settings.promotion = kind.promotion;
    return ash::Ladder(settings);
}

// The paper's rule may overfill a rung, never leave a place empty.
bool answer_is_right(const Kind& kind, const ash::Ladder& ladder) {
    std::int64_t places = ladder.candidates();
    for (const ash::Rung& rung : ladder.rungs()) {
        const bool full = rung.finished() == places;
        const bool overfull = kind.promotion == ash::Promotion::paper && rung.finished() > places;
        if (!full && !overfull) return false;
        places /= 2;
    }
    return ladder.finished() && places < 2;
}

// VmHWM is of this program alone; what getrusage says may be that of whoever has started it.
double peak_megabytes() {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) * 1024.0 / 1e6;
    }
    return 0.0;
}

double seconds_of_one(const Kind& kind, std::int64_t candidates, std::int64_t repeats) {
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t repeat = 0; repeat < repeats; ++repeat) {
        ash::Ladder ladder = make_ladder(kind, candidates);
        run(ladder);
    }
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    return passed.count() / static_cast<double>(repeats);
}

Row measure(const Kind& kind, std::int64_t candidates, std::int64_t runs) {
    Row row{kind, candidates, 0, {}, 0.0};
    {
        ash::Ladder ladder = make_ladder(kind, candidates);
        const Counts counts = run(ladder);
        row.decisions = counts.decisions;
        if (!answer_is_right(kind, ladder) || counts.retired != candidates) {
            std::cerr << kind.name << " with " << candidates << " candidates: wrong counts\n";
            std::exit(EXIT_FAILURE);
        }
    }
    row.peak_megabytes = peak_megabytes();
    const std::int64_t repeats = std::max<std::int64_t>(1, kDecisionsAtLeast / row.decisions);
    for (std::int64_t i = 0; i < runs; ++i) row.seconds.push_back(seconds_of_one(kind, candidates, repeats));
    std::ranges::sort(row.seconds);
    return row;
}

double nanoseconds(const Row& row, double seconds) { return seconds * 1e9 / static_cast<double>(row.decisions); }

double median(const Row& row) { return row.seconds[row.seconds.size() / 2]; }

std::string json(std::span<const Row> rows) {
    namespace info = ash::build_info;
    std::ostringstream out;
    out << "{\n  \"benchmark\": \"ladder\",\n  \"processor\": " << ash::bench::json_text(ash::bench::processor())
        << ",\n  \"hardware_threads\": " << std::thread::hardware_concurrency()
        << ",\n  \"compiler\": " << ash::bench::json_text(info::kCompiler)
        << ",\n  \"flags\": " << ash::bench::json_text(info::kFlags)
        << ",\n  \"commit\": " << ash::bench::json_text(info::kCommit) << ",\n  \"scores\": [";
    out.precision(17);
    const char* separator = "";
    for (const auto& [candidate, rung] : kProbes) {
        out << std::exchange(separator, ", ") << "[" << candidate << ", " << rung << ", "
            << hashed_score(candidate, rung) << "]";
    }
    out.precision(6);
    out << "],\n  \"rows\": [";
    separator = "\n";
    for (const Row& row : rows) {
        out << std::exchange(separator, ",\n") << "    {\"kind\": \"" << row.kind.name
            << "\", \"candidates\": " << row.candidates << ", \"decisions\": " << row.decisions
            << ", \"runs\": " << row.seconds.size() << ", \"seconds\": " << median(row)
            << ", \"ns_min\": " << nanoseconds(row, row.seconds.front())
            << ", \"ns_median\": " << nanoseconds(row, median(row))
            << ", \"ns_max\": " << nanoseconds(row, row.seconds.back())
            << ", \"peak_megabytes\": " << row.peak_megabytes << "}";
    }
    out << "\n  ]\n}\n";
    return out.str();
}

void print_head() {
    namespace info = ash::build_info;
    std::printf("%s, %u hardware threads; %s; %s; commit %s\n", ash::bench::processor().c_str(),
                std::thread::hardware_concurrency(), info::kCompiler, info::kFlags, info::kCommit);
    std::printf("%-12s %10s %10s %10s %27s %9s\n", "", "candidates", "decisions", "seconds",
                "ns a decision: min/med/max", "peak MB");
}

void print(const Row& row) {
    std::printf("%-12s %10lld %10lld %10.6f %9.0f%9.0f%9.0f %9.1f\n", row.kind.name,
                static_cast<long long>(row.candidates), static_cast<long long>(row.decisions), median(row),
                nanoseconds(row, row.seconds.front()), nanoseconds(row, median(row)),
                nanoseconds(row, row.seconds.back()), row.peak_megabytes);
}

[[noreturn]] void refuse(std::string_view argument, std::string_view allowed) {
    std::cerr << "bench_ladder: " << ash::bench::json_text(argument) << " is not allowed; give " << allowed << "\n";
    std::exit(2);
}

std::int64_t whole_number(std::string_view text, std::int64_t least, std::int64_t most) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
        refuse(text, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return value;
}

std::vector<std::int64_t> whole_numbers(std::string_view text) {
    std::vector<std::int64_t> values;
    for (const auto word : std::views::split(text, ',')) {
        values.push_back(whole_number(std::string_view(word.begin(), word.end()), 2, kMostCandidates));
    }
    return values;
}

Kind kind_of(std::string_view text) {
    const auto* found = std::ranges::find(kKinds, text, &Kind::argument);
    if (found == kKinds.end()) refuse(text, "a kind: ash-capped, ash-paper or sh");
    return *found;
}

Arguments read(std::span<char*> words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view word = words[i];
        const bool option = word == "--kind" || word == "--sizes" || word == "--runs";
        if (!option) {
            if (word.starts_with("-") || word.empty() || !arguments.file.empty()) {
                refuse(word, "[--kind KIND] [--sizes N,N,...] [--runs N] [FILE]");
            }
            arguments.file = word;
            continue;
        }
        if (++i == words.size()) refuse(word, "a value after it");
        if (word == "--kind") arguments.kinds = {kind_of(words[i])};
        if (word == "--sizes") arguments.sizes = whole_numbers(words[i]);
        if (word == "--runs") arguments.runs = whole_number(words[i], 1, kMostRuns);
    }
    return arguments;
}

}  // namespace

int main(int count, char** words) {
    const Arguments arguments = read({words + 1, static_cast<std::size_t>(count - 1)});
    const bool table = !arguments.file.empty();
    if (table) print_head();
    std::vector<Row> rows;
    for (const Kind& kind : arguments.kinds) {
        for (const std::int64_t candidates : arguments.sizes) {
            rows.push_back(measure(kind, candidates, arguments.runs));
            if (table) print(rows.back());
        }
    }
    if (!table) {
        std::cout << json(rows);
        return EXIT_SUCCESS;
    }
    std::ofstream file(arguments.file);
    file << json(rows);
    if (!file.flush()) {
        std::cerr << "bench_ladder: cannot write " << arguments.file << "\n";
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
