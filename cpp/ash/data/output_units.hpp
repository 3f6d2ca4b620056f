// output_units.hpp: converts the outputs z of a model to targets in the units of y.
//
//     identity    scale z + center
//     exp         center exp(scale z), for a model that predicts logarithms
//
// The result is then clamped to `least` and `most`. DataBuilder sets them: `least` is the smallest training target if
// none is negative; with the link exp, `most` is twice the largest training target. All other bounds are infinite.
// Threads: plain data.
#pragma once

#include <algorithm>
#include <cmath>
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
    Scaling scaling;            // center and scale of each output, as in the formulas above
    std::vector<double> least;  // [outputs]: smallest prediction of each output
    std::vector<double> most;   // [outputs]: largest prediction
};

// Returns the units of outputs that are only scaled and have no bounds.
inline OutputUnits without_bounds(Scaling scaling) {
    const std::size_t outputs = scaling.center.size();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return {Link::identity, std::move(scaling), std::vector(outputs, -kInfinity), std::vector(outputs, kInfinity)};
}

// Throws std::invalid_argument unless the units are valid for `outputs` outputs. If `classes` is not 0, the outputs are
// probabilities, so the link must be the identity and all bounds must be infinite.
inline void check_units(const OutputUnits& units, int outputs, int classes = 0) {
    const auto is_infinite = [](double bound) { return std::isinf(bound); };
    require(classes == 0 || (units.link == Link::identity && std::ranges::all_of(units.least, is_infinite) &&
                             std::ranges::all_of(units.most, is_infinite)),
            "targets: a classifier must not have a link or bounds");
    const auto is_positive = [](double center) { return center > 0.0; };
    require(units.link == Link::identity || std::ranges::all_of(units.scaling.center, is_positive),
            "targets: the center of exponentials must be above 0");
    require(classes == 0 || (classes >= 2 && classes == outputs), "classes: not the number of outputs");
    check_scaling(units.scaling, outputs);
    const bool bounded = std::ssize(units.least) == outputs && std::ssize(units.most) == outputs;
    require(bounded && std::ranges::equal(units.least, units.most, std::less_equal{}), "targets: bounds");
}

// Converts outputs [rows][stride], which are float or double, and calls put(row, column of the output, target) for each
// of them. NaN is passed through.
template <typename Output, typename Put>
void to_targets(const Kernels& kernels, const OutputUnits& units, const Output* outputs, std::int64_t rows,
                std::int64_t stride, Put put) {
    constexpr float kMostLogarithm = 80.0F;  // exponentials of +-80 are neither infinite nor denormal
    const auto count = std::ssize(units.least);
    for (std::int64_t row = 0; row < rows; ++row, outputs += stride) {
        for (std::int64_t o = 0; o < count; ++o) {
            const auto column = static_cast<std::size_t>(o);
            const double scaled = outputs[o] * units.scaling.scale[column];
            double target = scaled + units.scaling.center[column];
            if (units.link == Link::exp) {
                float power = static_cast<float>(std::clamp<double>(scaled, -kMostLogarithm, kMostLogarithm));
                kernels.elementary(Elementary::exp, &power, &power, 1);
                target = power * units.scaling.center[column];
            }
            put(row, o, std::clamp(target, units.least[column], units.most[column]));
        }
    }
}

}  // namespace ash
