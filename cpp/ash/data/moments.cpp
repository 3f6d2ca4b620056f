#include "ash/data/moments.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace ash {

Moments::Moments(int columns)
    : shift_(static_cast<std::size_t>(columns), 0.0),
      sum_(shift_.size(), 0.0),
      squares_(shift_.size(), 0.0),
      varies_(shift_.size(), 0) {}

void Moments::add(const double* row, double weight) {
    if (weight_ == 0.0) std::copy_n(row, shift_.size(), shift_.begin());
    weight_ += weight;
    for (std::size_t c = 0; c < shift_.size(); ++c) {
        const double distance = row[c] - shift_[c];
        sum_[c] += weight * distance;
        squares_[c] += weight * distance * distance;
        varies_[c] |= static_cast<std::uint8_t>(distance != 0.0);
    }
}

Scaling Moments::scaling() const {
    Scaling scaling = no_scaling(shift_.size());
    scaling.center = shift_;
    for (std::size_t c = 0; c < shift_.size(); ++c) {
        if (varies_[c] == 0) continue;
        const double mean = sum_[c] / weight_;
        scaling.center[c] += mean;
        const double deviation = std::sqrt((squares_[c] - sum_[c] * mean) / weight_);
        if (deviation > 0.0 && std::isfinite(deviation)) scaling.scale[c] = deviation;
    }
    return scaling;
}

}  // namespace ash
