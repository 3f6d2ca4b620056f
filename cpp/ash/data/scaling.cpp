#include "ash/data/scaling.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "ash/data/require.hpp"

namespace ash {
namespace {

bool all_finite(std::span<const double> values) {
    return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

}  // namespace

void check_scaling(const Scaling& scaling, int columns) {
    const auto size = static_cast<std::size_t>(columns);
    require(scaling.center.size() == size && scaling.scale.size() == size && scaling.limit.size() == size,
            "standardization: wrong number of columns");
    require(all_finite(scaling.center) && all_finite(scaling.scale) && all_finite(inverse(scaling)),
            "standardization: not finite");
    require(std::ranges::all_of(scaling.scale, [](double scale) { return scale > 0.0; }),
            "standardization: a scale that is not above zero");
    require(std::ranges::all_of(scaling.limit, [](double limit) { return limit == 0.0 || limit == kClip; }),
            "standardization: a limit that is neither 0 nor 3");
}

}  // namespace ash
