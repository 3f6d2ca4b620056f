// functions.hpp: the available activations, optimizers and regression losses. Their names are in model/settings.cpp,
// their computation in elementwise.hpp, update.hpp and losses.hpp.
#pragma once

#include <cstdint>

namespace ash {

enum class Activation : std::uint8_t { identity, relu, sigmoid, tanh, gelu, silu, selu, mish };  // gelu: tanh form
enum class Optimizer : std::uint8_t { sgd, momentum, nesterov, adam, adamw };                    // as in PyTorch
// The loss of a target t and an output z, summed over outputs:
//     squared_error    (z - t)^2
//     pinball          level (t - z) if z < t, else (1 - level) (z - t); its mean is smallest at quantile `level` of t
//     poisson          exp(z) - t z; its mean is smallest if exp(z) is the mean of the counts t
enum class Loss : std::uint8_t { squared_error, pinball, poisson };

}  // namespace ash
