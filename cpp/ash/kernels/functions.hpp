// functions.hpp: which activations, optimizers and losses of targets there are. model/settings.cpp has their names;
// elementwise.hpp, update.hpp and losses.hpp compute them.
#pragma once

#include <cstdint>

namespace ash {

enum class Activation : std::uint8_t { identity, relu, sigmoid, tanh, gelu, silu, selu, mish };  // gelu: its tanh form
enum class Optimizer : std::uint8_t { sgd, momentum, nesterov, adam, adamw };                    // the forms of PyTorch
// Of targets t and outputs z, summed over outputs:
//     squared_error    (z - t)^2
//     pinball          level (t - z) where z < t, else (1 - level) (z - t): least at the quantile of that level
//     poisson          exp(z) - t z: least where exp(z) is the mean of counts t
enum class Loss : std::uint8_t { squared_error, pinball, poisson };

}  // namespace ash
