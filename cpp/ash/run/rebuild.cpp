#include "ash/run/rebuild.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <utility>

#include "ash/train/parallel.hpp"

namespace ash {
namespace {

constexpr std::chrono::milliseconds kLook(20);

}  // namespace

void rebuild(Candidates& candidates, std::span<const Kept> missing, std::span<const Rung> rungs, int threads,
             const std::function<bool()>& stop, const Rebuilt& rebuilt) {
    if (missing.empty()) return;
    const std::size_t team = std::min(missing.size(), static_cast<std::size_t>(threads));
    std::atomic<bool> given_up{false};
    const auto train = [&](int thread) {
        for (auto each = static_cast<std::size_t>(thread); each < missing.size(); each += team) {
            const Kept& kept = missing[each];
            const Job job{kept.candidate, kept.rung, rungs[static_cast<std::size_t>(kept.rung)].epochs()};
            States states = candidates.rebuild(job, kept.weights_hash, thread, given_up);
            if (!states.empty()) rebuilt(kept, std::move(states));
        }
    };
    std::future<void> done =
        std::async(std::launch::async, [&] { parallel(static_cast<int>(team), train, [&] { given_up = true; }); });
    try {
        do given_up = given_up || stop();
        while (done.wait_for(kLook) != std::future_status::ready);
    } catch (...) {
        given_up = true;  // its destructor waits
        throw;
    }
    done.get();
}

}  // namespace ash
