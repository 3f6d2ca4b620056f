// bench/ladder.cpp: what a decision of the ladder costs, from a thousand candidates to a million.
//
//     ladder [FILE]      prints a table; keeps it as JSON in FILE
//
// A decision is a next(), its report() and take_retired(). 32 jobs are out at any time and end in the order they began;
// scores are a hash of the candidate and the rung. Before any time is taken each run is checked: every rung must have
// finished exactly its places, and every candidate must have retired. Promised: a million candidates in less than 2 s
// and 200 MB, less than 1 us a decision, and a flat curve.
#include "ash/ladder.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "ash/build_info.hpp"

namespace {

constexpr std::size_t kWorkers = 32;
constexpr std::int64_t kDecisionsAtLeast = 2'000'000;  // small ladders are repeated until the clock can be trusted
constexpr int kRuns = 5;

struct Kind {
    const char* name;
    ash::Algorithm algorithm;
    ash::Promotion promotion;
};

constexpr std::array kKinds = {Kind{"ash capped", ash::Algorithm::ash, ash::Promotion::capped},
                               Kind{"ash paper", ash::Algorithm::ash, ash::Promotion::paper},
                               Kind{"sh", ash::Algorithm::sh, ash::Promotion::capped}};
constexpr std::array<std::int64_t, 4> kSizes = {1'000, 10'000, 100'000, 1'000'000};

struct Row {
    const Kind* kind;
    std::int64_t candidates;
    std::int64_t decisions;       // of one ladder
    std::vector<double> seconds;  // of one ladder, sorted
    double peak_megabytes;        // of the process up to here
};

// Uniform in [0, 1), the same on every machine (the finalizer of splitmix64).
double hashed_score(const ash::Job& job) {
    std::uint64_t x =
        (static_cast<std::uint64_t>(job.candidate) << 6) + static_cast<std::uint64_t>(job.rung) + 0x9e3779b97f4a7c15ULL;
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
        ladder.report(running.front(), hashed_score(running.front()), 0.0);
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

double peak_megabytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024.0 / 1e6;
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

Row measure(const Kind& kind, std::int64_t candidates) {
    Row row{&kind, candidates, 0, {}, 0.0};
    {
        ash::Ladder ladder = make_ladder(kind, candidates);
        const Counts counts = run(ladder);
        row.decisions = counts.decisions;
        if (!answer_is_right(kind, ladder) || counts.retired != candidates) {
            std::cerr << kind.name << " with " << candidates << " candidates: wrong counts\n";
            std::exit(EXIT_FAILURE);
        }
    }
    const std::int64_t repeats = std::max<std::int64_t>(1, kDecisionsAtLeast / row.decisions);
    for (int i = 0; i < kRuns; ++i) row.seconds.push_back(seconds_of_one(kind, candidates, repeats));
    std::ranges::sort(row.seconds);
    row.peak_megabytes = peak_megabytes();
    return row;
}

double nanoseconds(const Row& row, double seconds) { return seconds * 1e9 / static_cast<double>(row.decisions); }

double median(const Row& row) { return row.seconds[row.seconds.size() / 2]; }

std::string processor() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown";
}

std::string json(const std::vector<Row>& rows) {
    namespace info = ash::build_info;
    std::ostringstream out;
    out << "{\n  \"benchmark\": \"ladder\",\n  \"processor\": \"" << processor()
        << "\",\n  \"hardware_threads\": " << std::thread::hardware_concurrency() << ",\n  \"compiler\": \""
        << info::kCompiler << "\",\n  \"flags\": \"" << info::kFlags << "\",\n  \"commit\": \"" << info::kCommit
        << "\",\n  \"rows\": [";
    for (const Row& row : rows) {
        out << (&row == rows.data() ? "\n" : ",\n") << "    {\"kind\": \"" << row.kind->name
            << "\", \"candidates\": " << row.candidates << ", \"decisions\": " << row.decisions
            << ", \"seconds\": " << median(row) << ", \"ns_min\": " << nanoseconds(row, row.seconds.front())
            << ", \"ns_median\": " << nanoseconds(row, median(row))
            << ", \"ns_max\": " << nanoseconds(row, row.seconds.back())
            << ", \"peak_megabytes\": " << row.peak_megabytes << "}";
    }
    out << "\n  ]\n}\n";
    return out.str();
}

void print_head() {
    namespace info = ash::build_info;
    std::printf("%s, %u hardware threads; %s; %s; commit %s\n", processor().c_str(),
                std::thread::hardware_concurrency(), info::kCompiler, info::kFlags, info::kCommit);
    std::printf("%-12s %10s %10s %9s %28s %9s\n", "", "candidates", "decisions", "seconds",
                "ns a decision: min/med/max", "peak MB");
}

void print(const Row& row) {
    std::printf("%-12s %10lld %10lld %9.4f %10.0f%9.0f%9.0f %9.1f\n", row.kind->name,
                static_cast<long long>(row.candidates), static_cast<long long>(row.decisions), median(row),
                nanoseconds(row, row.seconds.front()), nanoseconds(row, median(row)),
                nanoseconds(row, row.seconds.back()), row.peak_megabytes);
}

}  // namespace

int main(int count, char** arguments) {
    print_head();
    std::vector<Row> rows;
    for (const Kind& kind : kKinds) {
        for (const std::int64_t candidates : kSizes) {
            rows.push_back(measure(kind, candidates));
            print(rows.back());
        }
    }
    if (count > 1) {
        std::ofstream file(arguments[1]);
        file << json(rows);
        if (!file.flush()) {
            std::cerr << "cannot write " << arguments[1] << "\n";
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
