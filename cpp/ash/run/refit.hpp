// refit.hpp: candidates that go on for one job more, on other rows: on all there are, once nobody is to be scored.
//
//     state after its best rung  ->  one cycle of the learning rate over data that hold the validation rows too
//
// Order:      a job is a function of its state, settings, epochs, seed and data; who runs it and when makes no difference.
// Threads:    a tuner of its own with one rung runs them, so threads without a job join those that run (team.hpp): a
//             single network is trained by all. The caller waits, and looks up now and then.
// Cost:       a workspace a thread, besides the jobs themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "ash/data/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/settings.hpp"
#include "ash/model/state.hpp"

namespace ash {

struct RefitJob {
    Settings settings;
    std::uint32_t candidate;
    std::int64_t epochs;
    State state;
    bool done = false;  // false: it has diverged, or was stopped; the state is of no use then
};

// Runs the jobs, in this order as threads become free. stop() is asked every few milliseconds, by the caller's thread; true: whatever runs is given up.
// REQUIRES: all states are of data.shape(). Throws what a thread or stop() throws.
void refit(const Data& data, std::span<RefitJob> jobs, std::uint64_t seed, const Kernels& kernels, int threads,
           const std::function<bool()>& stop);

}  // namespace ash
