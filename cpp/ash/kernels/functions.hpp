// functions.hpp: which activations and optimizers there are. model/settings.cpp has their names; elementwise.hpp and
// update.hpp compute them.
#pragma once

#include <cstdint>

namespace ash {

enum class Activation : std::uint8_t { identity, relu, sigmoid, tanh, gelu, silu, selu, mish };  // gelu: its tanh form
enum class Optimizer : std::uint8_t { sgd, momentum, nesterov, adam, adamw };                    // the forms of PyTorch

}  // namespace ash
