// scaling.hpp: the standardization of columns by a center, a scale and, for features, the limit of a smooth clip.
//
//     z = (x - center) / scale,  then  z / sqrt(1 + (z / 3)^2)  if the limit is 3
//
//                center     scale                                                  limit
//     feature    median     interquartile range or, if it is 0, the distance       3
//                           of a typical other value: quartiles.hpp
//     target     mean       standard deviation: moments.hpp                        0: no clip
//     unscaled   0          1                                                      0: no clip
//
// The clip hardly changes values between the quartiles, and limits all values to magnitudes below 3. It is the "robust
// scale and smooth clip" of RealMLP (Holzmueller, Grinsztajn, Steinwart, arXiv 2407.04491, section 3).
// Threads: plain data.
#pragma once

#include <cstddef>
#include <vector>

#include "ash/kernels/kernels.hpp"

namespace ash {

struct Scaling {  // each field has one number per column
    std::vector<double> center;
    std::vector<double> scale;  // above zero, and large enough that 1 / scale is finite
    std::vector<double> limit;  // kClip, or 0 for no clip
};

// Returns the identity scaling, which leaves all columns unchanged.
inline Scaling no_scaling(std::size_t columns) {
    return {std::vector<double>(columns, 0.0), std::vector<double>(columns, 1.0), std::vector<double>(columns, 0.0)};
}

// Returns 1 / scale of each column.
inline std::vector<double> inverse(const Scaling& scaling) {
    std::vector<double> result;
    result.reserve(scaling.scale.size());
    for (const double scale : scaling.scale) result.push_back(1.0 / scale);
    return result;
}

// Throws std::invalid_argument unless the scaling has `columns` columns, all its numbers are finite, its scales are
// above zero and each limit is 0 or 3.
void check_scaling(const Scaling& scaling, int columns);

// Returns the same scaling in the form used by the kernels, which multiply by the inverse of the scale. The result
// points into both arguments.
inline Standardization standardization(const Scaling& scaling, const std::vector<double>& inverse) {
    return {scaling.center.data(), inverse.data(), scaling.limit.data(), std::ssize(inverse)};
}

}  // namespace ash
