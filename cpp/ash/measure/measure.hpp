// measure.hpp: measures the peak speed of this machine and the time of a step, for benchmarks and for ash.plan.
#pragma once

#include <cstdint>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/settings.hpp"

namespace ash {

// Fused multiply-adds of one thread with nothing to load or store, in 1e9 floating-point operations per second: the best
// of several runs that take about `seconds` together.
double fma_peak(const Kernels& kernels, double seconds);

// Seconds per update of one candidate (gather, forward, loss, backward, update), in each of `repeats` runs of at least
// `steps` updates. The state is trained further from run to run.
std::vector<double> time_steps(const Data& data, const Settings& settings, std::int64_t steps, int repeats,
                               const Kernels& kernels);

// The same with a team of `threads` threads, at least 2, of which all but one are ready to help at any time. alone:
// runs without them, one before each run of the team, so that both of a pair meet the same machine.
struct TeamTimes {
    std::vector<double> alone;
    std::vector<double> shared;
    std::int64_t blocks = 0;  // that members have run
    double round_trip = 0.0;  // seconds of a cache line to the second thread and back: how far apart their cores are
};
TeamTimes time_team(const Data& data, const Settings& settings, std::int64_t steps, int repeats, int threads,
                    const Kernels& kernels);

}  // namespace ash
