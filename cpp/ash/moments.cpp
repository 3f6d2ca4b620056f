#include "ash/moments.hpp"

#include <cmath>
#include <cstddef>
#include <limits>

namespace ash {

std::vector<double> inverse(const Scaling& scaling) {
    std::vector<double> result;
    result.reserve(scaling.scale.size());
    for (const double scale : scaling.scale) result.push_back(1.0 / scale);
    return result;
}

Moments::Moments(int columns)
    : shift_(static_cast<std::size_t>(columns), std::numeric_limits<double>::quiet_NaN()),
      weight_(shift_.size(), 0.0),
      sum_(shift_.size(), 0.0),
      squares_(shift_.size(), 0.0),
      varies_(shift_.size(), 0),
      without_shift_(shift_.size()) {}

void Moments::add(const double* row, double weight) {
    if (without_shift_ > 0) set_shifts(row);
    const double* shift = shift_.data();
    double* weights = weight_.data();
    double* sums = sum_.data();
    double* squares = squares_.data();
    std::uint8_t* varies = varies_.data();
    for (std::size_t c = 0; c < shift_.size(); ++c) {
        const bool known = !std::isnan(row[c]);
        const double share = known ? weight : 0.0;
        const double distance = known ? row[c] - shift[c] : 0.0;
        weights[c] += share;
        sums[c] += share * distance;
        squares[c] += share * distance * distance;
        varies[c] |= static_cast<std::uint8_t>(distance != 0.0);
    }
}

void Moments::set_shifts(const double* row) {
    for (std::size_t c = 0; c < shift_.size(); ++c) {
        if (!std::isnan(shift_[c]) || std::isnan(row[c])) continue;
        shift_[c] = row[c];
        --without_shift_;
    }
}

Scaling Moments::scaling() const {
    Scaling scaling{shift_, std::vector<double>(shift_.size(), 1.0)};
    for (std::size_t c = 0; c < shift_.size(); ++c) {
        if (std::isnan(shift_[c])) scaling.mean[c] = 0.0;
        if (varies_[c] == 0) continue;
        const double mean = sum_[c] / weight_[c];
        scaling.mean[c] += mean;
        const double deviation = std::sqrt((squares_[c] - sum_[c] * mean) / weight_[c]);
        if (deviation > 0.0 && std::isfinite(deviation)) scaling.scale[c] = deviation;
    }
    return scaling;
}

}  // namespace ash
