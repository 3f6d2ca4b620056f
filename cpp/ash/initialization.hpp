// initialization.hpp: initial weights and biases that depend on the rows, layer by layer from the first on.
//
//     rows --> embedding --> x W / deviation over the rows, each neuron --> + b --> f --> the next hidden layer ...
//                                                b: it is 0 at a random point between five of the rows
//
// As RealMLP begins (Holzmueller et al., arXiv:2407.04491), its biases after Steinwart (arXiv:1903.11482): the kinks of
// neurons lie where rows are. We differ in the last layer, which is zero; theirs is fitted like the others.
//
// Order:   up to 1024 training rows, the first of a random order of the candidate; sums over them in that order, in double.
// Threads: data and kernels are read, all else is the caller's. No team has a part in it.
// Cost:    about the forward pass of 1024 rows and three draws a weight, once a candidate; what it allocates is freed.
#pragma once

#include <cstdint>

#include "ash/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/settings.hpp"
#include "ash/state.hpp"

namespace ash {

// A candidate's state before its first epoch on these rows: that of state.hpp, and where the settings say so, fitted to
// them. A neuron whose output is the same for all rows, but for rounding, keeps its weights.
State initial_state(const Data& data, const Settings& settings, std::uint64_t seed, std::uint32_t candidate,
                    const Kernels& kernels);

}  // namespace ash
