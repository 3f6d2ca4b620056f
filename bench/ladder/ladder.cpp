// What a decision of the ladder costs, one kind and size per process.
//
//     bench_ladder KIND CANDIDATES RUNS        KIND: ash-capped, ash-paper or sh
//
// prints JSON. A decision is a next(), its report() and take_retired(). 32 jobs are out at any time and end in the order
// they began; scores are a hash of the candidate and the rung. The first run is checked before any time is taken: every
// rung must have finished exactly its places, and every candidate must have retired. Memory is the most that was
// resident, the program itself included.
#include "ash/ladder.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kWorkers = 32;
constexpr std::int64_t kDecisionsAtLeast = 2'000'000;  // small ladders are repeated until the clock can be trusted
constexpr std::int64_t kMostCandidates = 100'000'000;
constexpr std::int64_t kMostRuns = 1000;

struct Kind {
    std::string_view name;
    ash::Algorithm algorithm;
    ash::Promotion promotion;
};

constexpr std::array kKinds = {Kind{"ash-capped", ash::Algorithm::ash, ash::Promotion::capped},
                               Kind{"ash-paper", ash::Algorithm::ash, ash::Promotion::paper},
                               Kind{"sh", ash::Algorithm::sh, ash::Promotion::capped}};

// The scores of these candidates and rungs are printed, so that whoever feeds other ladders the same can compare.
constexpr std::array<std::pair<std::int32_t, std::int32_t>, 4> kProbes = {{{0, 0}, {1, 0}, {99, 5}, {9'999'999, 22}}};

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

// Returns the decisions of a ladder that was checked.
std::int64_t checked(const Kind& kind, std::int64_t candidates) {
    ash::Ladder ladder = make_ladder(kind, candidates);
    const Counts counts = run(ladder);
    if (!answer_is_right(kind, ladder) || counts.retired != candidates) {
        std::cerr << "bench_ladder: " << kind.name << " with " << candidates << " candidates: wrong counts\n";
        std::exit(EXIT_FAILURE);
    }
    return counts.decisions;
}

void measure(const Kind& kind, std::int64_t candidates, std::int64_t runs) {
    const std::int64_t decisions = checked(kind, candidates);
    const double peak = peak_megabytes();  // after one ladder
    const std::int64_t repeats = std::max<std::int64_t>(1, kDecisionsAtLeast / decisions);
    std::vector<double> seconds;
    for (std::int64_t i = 0; i < runs; ++i) seconds.push_back(seconds_of_one(kind, candidates, repeats));
    std::ranges::sort(seconds);
    const double median = seconds[seconds.size() / 2];
    const auto nanoseconds = [&](double second) { return 1e9 * second / static_cast<double>(decisions); };
    std::cout << R"({"candidates": )" << candidates << R"(, "decisions": )" << decisions << R"(, "runs": )" << runs
              << R"(, "seconds": )" << median << R"(, "ns": {"min": )" << nanoseconds(seconds.front())
              << R"(, "median": )" << nanoseconds(median) << R"(, "max": )" << nanoseconds(seconds.back())
              << R"(}, "megabytes": )" << peak << R"(, "scores": [)";
    std::cout.precision(17);
    const char* separator = "";
    for (const auto& [candidate, rung] : kProbes) {
        std::cout << std::exchange(separator, ", ") << "[" << candidate << ", " << rung << ", "
                  << hashed_score(candidate, rung) << "]";
    }
    std::cout << "]}\n";
}

[[noreturn]] void refuse(std::string_view given, std::string_view allowed) {
    std::cerr << "bench_ladder: '" << given << "' is not allowed; give " << allowed << "\n";
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

}  // namespace

int main(int count, char** words) {
    if (count != 4) refuse(std::to_string(count - 1) + " arguments", "KIND CANDIDATES RUNS");
    const auto* kind = std::ranges::find(kKinds, std::string_view(words[1]), &Kind::name);
    if (kind == kKinds.end()) refuse(words[1], "ash-capped, ash-paper or sh");
    measure(*kind, whole_number(words[2], 2, kMostCandidates), whole_number(words[3], 1, kMostRuns));
    return EXIT_SUCCESS;
}
