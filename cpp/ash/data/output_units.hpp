// output_units.hpp: how the outputs z of a network become targets in the units of y.
//
//     identity    scale z + center
//     exp         center exp(scale z), for a network that gives logarithms
//
// A target is then moved to the nearest number between `least` and `most`. DataBuilder sets these: `least` is the smallest
// training target if none is negative, `most` twice the largest for exponentials.
// Threads: plain data.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "ash/data/require.hpp"
#include "ash/data/scaling.hpp"
#include "ash/kernels/kernels.hpp"

namespace ash {

enum class Link : std::uint8_t { identity, exp };

struct OutputUnits {
    Link link = Link::identity;
    Scaling scaling;            // of the outputs
    std::vector<double> least;  // [outputs]
    std::vector<double> most;
};

// The units of outputs that are scaled alone, without bounds.
inline OutputUnits without_bounds(Scaling scaling) {
    const std::size_t outputs = scaling.center.size();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return {Link::identity, std::move(scaling), std::vector(outputs, -kInfinity), std::vector(outputs, kInfinity)};
}

// Throws std::invalid_argument unless they are of this many outputs.
inline void check_units(const OutputUnits& units, int outputs) {
    check_scaling(units.scaling, outputs);
    const bool bounded = std::ssize(units.least) == outputs && std::ssize(units.most) == outputs;
    require(bounded && std::ranges::equal(units.least, units.most, std::less_equal{}), "targets: bounds");
}

// Calls put(row, output, target) for the outputs [rows][stride], which it may overwrite. NaN stays.
template <typename Put>
void to_targets(const Kernels& kernels, const OutputUnits& units, float* outputs, std::int64_t rows,
                std::int64_t stride, Put put) {
    constexpr float kMostLogarithm = 80.0F;  // its exponential is neither infinite nor denormal
    const auto count = std::ssize(units.least);
    for (std::int64_t row = 0; row < rows; ++row, outputs += stride) {
        if (units.link == Link::exp) {
            for (std::int64_t o = 0; o < count; ++o) {
                const double logarithm = outputs[o] * units.scaling.scale[static_cast<std::size_t>(o)];
                outputs[o] = std::clamp(static_cast<float>(logarithm), -kMostLogarithm, kMostLogarithm);
            }
            kernels.elementary(Elementary::exp, outputs, outputs, count);
        }
        for (std::int64_t o = 0; o < count; ++o) {
            const auto column = static_cast<std::size_t>(o);
            const double target = units.link == Link::exp
                                      ? outputs[o] * units.scaling.center[column]
                                      : outputs[o] * units.scaling.scale[column] + units.scaling.center[column];
            put(row, o, std::clamp(target, units.least[column], units.most[column]));
        }
    }
}

}  // namespace ash
