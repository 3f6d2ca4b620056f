// state.hpp: everything that training changes in a candidate (weights, moments and counters). At any time, at most one
// job owns a state.
//
// Random numbers are functions of counters (random.hpp), so `epochs` and `updates` are the whole random state. A state
// and its copy are bit-identical after the same training. Memory: 1, 2 or 3 arenas, depending on the optimizer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ash/data/aligned.hpp"
#include "ash/model/layout.hpp"
#include "ash/model/settings.hpp"

namespace ash {

struct State {
    Layout layout;
    AlignedFloats weights;
    AlignedFloats first_moment;   // empty for sgd
    AlignedFloats second_moment;  // empty except for adam, adamw
    std::int64_t epochs = 0;      // number of epochs since initialization
    std::int64_t updates = 0;
    double beta1_power = 1.0;  // beta1^updates, updated by multiplication, since pow() differs between libraries
    double beta2_power = 1.0;
};

// The read-only states of a candidate, one per fold of the data. Empty if the candidate has no states.
using States = std::vector<std::shared_ptr<const State>>;

// Returns the state before the first epoch. Weights are He or Xavier uniform, biases 0 (He et al. 2015; Glorot, Bengio
// 2010). With automatic initialization there are two exceptions. With ntk, weights have a variance of 1 / inputs, and
// those of the last layer are 0 (Holzmueller et al., arXiv:2407.04491). Without ntk, weights of selu layers have a
// variance of 1 / inputs. The factors of the inputs and the shares of parametric activations (parametric.hpp) are 1. An
// embedding has normally distributed frequencies and uniformly distributed phases. Its weights and biases are uniform
// in [-1/4, 1/4], as in PyTorch's layers with 16 inputs.
State initial_state(const Shape& shape, const Settings& settings, std::uint64_t seed, std::uint32_t candidate);

}  // namespace ash
