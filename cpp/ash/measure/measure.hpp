// measure.hpp: measures the peak speed of this machine and the time of a step, for benchmarks and for ash.plan.
#pragma once

#include <cstdint>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/settings.hpp"

namespace ash {

// Returns the peak speed of fused multiply-adds on one thread, without loads or stores, in 1e9 floating-point
// operations per second. The result is the best of several runs, which together take about `seconds`.
double fma_peak(const Kernels& kernels, double seconds);

// Returns the seconds per update of one candidate (gather, forward, loss, backward, update), for each of `repeats` runs
// of at least `steps` updates. Each run continues from the state of the previous run.
std::vector<double> time_steps(const Data& data, const Settings& settings, std::int64_t steps, int repeats,
                               const Kernels& kernels);

// The seconds per step, one value per run. shared: with a team of `threads` threads (at least 2), all of which, except
// the owner, are ready to help at any time. alone: without helpers, measured just before each run of the team, so that
// both runs of a pair meet the same conditions.
struct TeamTimes {
    std::vector<double> alone;
    std::vector<double> shared;
    std::int64_t blocks = 0;  // number of blocks run by helpers
    double round_trip = 0.0;  // seconds for a cache line to reach the second thread's core and return
};
TeamTimes time_team(const Data& data, const Settings& settings, std::int64_t steps, int repeats, int threads,
                    const Kernels& kernels);

}  // namespace ash
