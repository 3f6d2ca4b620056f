// scaling.hpp: what standardizes a column: a center, a scale and, for features, the limit of a smooth clip.
//
//     z = (x - center) / scale,  then  z / sqrt(1 + (z / 3)^2)  where the limit is 3
//
//                center     scale                                                  limit
//     feature    median     distance of the quartiles: quartiles.hpp               3
//     target     mean       standard deviation: moments.hpp                        0: none
//     others     0          1                                                      0
//
// The clip hardly changes what lies within the quartiles and lets no value, however far out, be more than 3: "robust
// scale and smooth clip" of RealMLP (Holzmueller, Grinsztajn, Steinwart, arXiv 2407.04491, section 3).
// Threads: plain data.
#pragma once

#include <cstddef>
#include <vector>

#include "ash/kernels/kernels.hpp"

namespace ash {

struct Scaling {  // a column each
    std::vector<double> center;
    std::vector<double> scale;  // above zero; 1 / scale is finite, and what the distance is multiplied by
    std::vector<double> limit;  // kClip or 0
};

// That of columns which are taken as they are.
inline Scaling no_scaling(std::size_t columns) {
    return {std::vector<double>(columns, 0.0), std::vector<double>(columns, 1.0), std::vector<double>(columns, 0.0)};
}

// 1 / scale of each column.
inline std::vector<double> inverse(const Scaling& scaling) {
    std::vector<double> result;
    result.reserve(scaling.scale.size());
    for (const double scale : scaling.scale) result.push_back(1.0 / scale);
    return result;
}

// Throws std::invalid_argument unless it has so many columns, finite numbers, scales above zero and limits of 0 or 3.
void check_scaling(const Scaling& scaling, int columns);

// For the kernels; points into both.
inline Standardization standardization(const Scaling& scaling, const std::vector<double>& inverse) {
    return {scaling.center.data(), inverse.data(), scaling.limit.data(), std::ssize(inverse)};
}

}  // namespace ash
