// state.hpp: all that training changes in a candidate: weights, moments, counters. One job owns it at a time.
//
// Random numbers are drawn by counters (random.hpp), so `epochs` and `updates` are the whole random state. A copy of a
// state, trained on, gives the same bits as the original. Memory: 1, 2 or 3 arenas, by the optimizer.
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
    AlignedFloats second_moment;  // empty unless adam, adamw
    std::int64_t epochs = 0;      // since initialization
    std::int64_t updates = 0;
    double beta1_power = 1.0;  // beta1^updates, kept by multiplication: pow() differs between libraries
    double beta2_power = 1.0;
};

// Those of a candidate, one a fold of the data, or none; whoever has them only reads them.
using States = std::vector<std::shared_ptr<const State>>;

// A state before its first epoch. He or Xavier uniform weights, zero biases (He et al. 2015; Glorot, Bengio 2010); ntk:
// of variance 1 / inputs, a last layer of zeros (Holzmueller et al., arXiv:2407.04491). Factors of inputs and shares of
// activations are 1, and an embedding has normal frequencies, phases from all of a turn, and the weights and biases of a
// layer with 16 inputs.
State initial_state(const Shape& shape, const Settings& settings, std::uint64_t seed, std::uint32_t candidate);

}  // namespace ash
