// state_parts.hpp: converts the state of a network to Python arrays and back.
//
// Both directions copy, since Python owns its arrays and the core owns its arenas. A state that comes from Python has
// no layout yet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <vector>

#include "ash/model/state.hpp"
#include "bindings/common.hpp"

namespace ash::bindings {

// The members of a State in Python: weights, both moments, epochs, updates, and the powers of both betas.
using StateParts = std::tuple<Array<float>, Array<float>, Array<float>, std::int64_t, std::int64_t, double, double>;

inline AlignedFloats aligned(const Array<float>& values) {
    require(values.ndim() == 1, "an arena has one dimension");
    AlignedFloats copy(values.size());
    std::ranges::copy(view(values), copy.data());
    return copy;
}

inline Array<float> array(const AlignedFloats& values) { return array(values.data(), {values.size()}); }

inline std::vector<State> states_of(const std::vector<StateParts>& folds) {
    std::vector<State> states;
    for (const auto& [weights, first, second, epochs, updates, beta1_power, beta2_power] : folds) {
        State& state = states.emplace_back();
        state.weights = aligned(weights);
        state.first_moment = aligned(first);
        state.second_moment = aligned(second);
        state.epochs = epochs;
        state.updates = updates;
        state.beta1_power = beta1_power;
        state.beta2_power = beta2_power;
    }
    return states;
}

inline StateParts parts_of(const State& state) {
    return {array(state.weights), array(state.first_moment), array(state.second_moment), state.epochs,
            state.updates,        state.beta1_power,         state.beta2_power};
}

inline std::vector<StateParts> parts_of(const States& states) {
    std::vector<StateParts> folds;
    for (const auto& state : states) folds.push_back(parts_of(*state));
    return folds;
}

}  // namespace ash::bindings
