// Runs the C++ ladder (next(), report(), take_retired()) for bench/ladder, which calls this through ctypes. 32 jobs run
// at any time and end in the order of their start. A score is a hash of the candidate and the rung.
#include "ash/search/ladder.hpp"

#include <cstdint>
#include <deque>
#include <string_view>

namespace {

constexpr std::size_t kWorkers = 32;

// Returns a number uniform in [0, 1), the same on every machine (by the finalizer of splitmix64).
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

// The paper's rule may overfill a rung, but it never leaves a place empty.
bool answer_is_right(ash::Promotion promotion, const ash::Ladder& ladder) {
    std::int64_t places = ladder.candidates();
    for (const ash::Rung& rung : ladder.rungs()) {
        const bool full = rung.finished() == places;
        const bool overfull = promotion == ash::Promotion::paper && rung.finished() > places;
        if (!full && !overfull) return false;
        places /= 2;
    }
    return ladder.finished() && places < 2;
}

}  // namespace

extern "C" {

double bench_score(std::int32_t candidate, std::int32_t rung) { return hashed_score(candidate, rung); }

// Runs `repeats` ladders; `kind` is "ash capped", "ash paper" or "sh". Returns the number of decisions of one ladder; 0
// if a ladder ended with a wrong number of finished jobs in a rung, or with a candidate that has not retired.
std::int64_t bench_ladder(const char* kind, std::int64_t candidates, std::int64_t repeats) {
    const std::string_view name(kind);
    ash::LadderSettings settings;
    settings.candidates = candidates;
    settings.algorithm = name == "sh" ? ash::Algorithm::sh : ash::Algorithm::ash;
    settings.promotion = name == "ash paper" ? ash::Promotion::paper : ash::Promotion::capped;
    std::int64_t decisions = 0;
    for (std::int64_t repeat = 0; repeat < repeats; ++repeat) {
        ash::Ladder ladder(settings);
        const Counts counts = run(ladder);
        if (!answer_is_right(settings.promotion, ladder) || counts.retired != candidates) return 0;
        decisions = counts.decisions;
    }
    return decisions;
}
}
