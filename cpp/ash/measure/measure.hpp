// measure.hpp: what this machine can do and what a step takes, for benches; nothing else calls it.
#pragma once

#include <cstdint>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/settings.hpp"

namespace ash {

// Fused multiply-adds of one thread with nothing to load or store, in 1e9 floating-point operations a second: the best
// of several runs of together about so many seconds.
double fma_peak(const Kernels& kernels, double seconds);

// Seconds an update of one candidate (gather, forward, loss, backward, update), in each of so many runs of at least
// `steps` updates. The state is trained on from run to run.
std::vector<double> time_steps(const Data& data, const Settings& settings, std::int64_t steps, int repeats,
                               const Kernels& kernels);

// The same with a team of so many threads, at least 2, of which all but one are ready to help at any time. alone:
// seconds of runs without them, one before each run of the team, so that pairs have seen the same machine.
struct TeamTimes {
    std::vector<double> alone;
    std::vector<double> shared;
    std::int64_t blocks = 0;  // that others than the owner have run
    double round_trip = 0.0;  // seconds of a cache line to the second thread and back: how far apart the two are
};
TeamTimes time_team(const Data& data, const Settings& settings, std::int64_t steps, int repeats, int threads,
                    const Kernels& kernels);

}  // namespace ash
