#include "ash/data/quartiles.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "ash/data/random.hpp"

namespace ash {
namespace {

struct Weighed {
    double value;
    double weight;
    auto operator<=>(const Weighed&) const = default;
};

// Returns the value that would be at the fractional index `place` if the values were sorted, interpolated between its
// two neighbors. Reorders the values so that these neighbors are at their sorted positions, with smaller values before
// them and larger values after them.
double select(std::span<double> values, double place) {
    const auto below = values.begin() + static_cast<std::ptrdiff_t>(place);
    std::nth_element(values.begin(), below, values.end());
    const auto above = below + 1;
    if (above == values.end()) return *below;
    std::iter_swap(above, std::min_element(above, values.end()));
    return *below + (place - std::floor(place)) * (*above - *below);
}

// Returns the quartiles of unweighted values. Reorders the values.
std::array<double, 3> quartiles_of(std::span<double> values) {
    const auto last = static_cast<double>(values.size() - 1);
    const auto middle = static_cast<std::size_t>(0.5 * last);
    const double median = select(values, 0.5 * last);
    const double lower = select(values.first(std::min(middle + 2, values.size())), 0.25 * last);
    return {lower, median, select(values.subspan(middle), 0.75 * last - static_cast<double>(middle))};
}

// Returns the median distance of the values other than `mode` from it; 0 if there are none. Changes the values.
double distance_from(double mode, std::vector<double>& values) {
    std::erase(values, mode);
    if (values.empty()) return 0.0;
    for (double& value : values) value = std::abs(value - mode);
    return select(values, 0.5 * static_cast<double>(values.size() - 1));
}

// Returns the weighted quantile q(p) of sorted values, as defined in quartiles.hpp. total: the sum of their weights.
double quantile(std::span<const Weighed> sorted, double total, double p) {
    const double unit = std::min(1.0, total / static_cast<double>(sorted.size()));
    const double from = p * (total - unit);
    double first = sorted.back().value;
    double sum = 0.0;  // sum of differences from the first value, so that equal values give exactly that value
    double end = 0.0;
    bool within = false;
    for (const auto& [value, weight] : sorted) {
        const double begin = end;
        end += weight;
        if (end <= from) continue;
        if (begin >= from + unit) break;
        if (!within) first = value;
        within = true;
        sum += (std::min(end, from + unit) - std::max(begin, from)) * (value - first);
    }
    return first + sum / unit;
}

// Weighted version of the function above.
double distance_from(double mode, std::vector<Weighed>& values) {
    std::erase_if(values, [mode](const Weighed& each) { return each.value == mode; });
    if (values.empty()) return 0.0;
    double total = 0.0;
    for (Weighed& each : values) {
        each.value = std::abs(each.value - mode);
        total += each.weight;
    }
    std::ranges::sort(values);
    return quantile(values, total, 0.5);
}

double scale_of(double distance, double range) {
    const double scale = distance > 0.0 ? distance : range / 2.0;
    return scale > 0.0 && std::isfinite(scale) && std::isfinite(1.0 / scale) ? scale : 1.0;
}

}  // namespace

Quartiles::Quartiles(const std::vector<bool>& wanted, std::int64_t rows)
    : least_(wanted.size(), std::numeric_limits<double>::infinity()),
      most_(wanted.size(), -std::numeric_limits<double>::infinity()),
      rows_(rows) {
    for (std::size_t column = 0; column < wanted.size(); ++column) {
        if (wanted[column]) columns_.push_back(column);
    }
    const std::int64_t columns = std::max<std::int64_t>(1, std::ssize(columns_));
    size_ = std::min(rows, std::clamp(kMostCells / columns, kFewestRows, kMostRows));
    next_ = sampled_row(0, size_, rows_);
    sample_.reserve(static_cast<std::size_t>(size_) * columns_.size());
    weights_.reserve(static_cast<std::size_t>(size_));
}

std::int64_t Quartiles::sampled_row(std::int64_t stratum, std::int64_t size, std::int64_t rows) {
    const std::int64_t first = stratum * rows / size;
    const auto width = static_cast<std::uint64_t>((stratum + 1) * rows / size - first);
    const std::uint64_t word = draw(0, {0, Purpose::sample, 0, 0}, static_cast<std::uint32_t>(stratum))[0];
    return first + static_cast<std::int64_t>((word * width) >> 32U);
}

void Quartiles::add(const double* row, double weight) {
    double* least = least_.data();
    double* most = most_.data();
    for (std::size_t c = 0; c < least_.size(); ++c) {
        least[c] = row[c] < least[c] ? row[c] : least[c];  // the comparison is false for NaN
        most[c] = row[c] > most[c] ? row[c] : most[c];
    }
    if (seen_++ != next_) return;
    for (const std::size_t column : columns_) sample_.push_back(row[column]);
    weights_.push_back(weight);
    weighted_ = weighted_ || weight != 1.0;
    next_ = sampled_row(std::ssize(weights_), size_, rows_);
}

Quartiles::Spread Quartiles::spread(std::size_t place) const {
    std::vector<double> known;
    known.reserve(weights_.size());
    for (std::size_t cell = place; cell < sample_.size(); cell += columns_.size()) {
        if (!std::isnan(sample_[cell])) known.push_back(sample_[cell]);
    }
    if (known.empty()) return middle_of_range(place);
    const auto [lower, median, upper] = quartiles_of(known);
    return {median, lower < upper ? upper - lower : distance_from(median, known)};
}

Quartiles::Spread Quartiles::weighted_spread(std::size_t place) const {
    std::vector<Weighed> known;
    known.reserve(weights_.size());
    double total = 0.0;
    for (std::size_t row = 0; row < weights_.size(); ++row) {
        const double value = sample_[row * columns_.size() + place];
        if (std::isnan(value)) continue;
        known.push_back({value, weights_[row]});
        total += weights_[row];
    }
    if (known.empty()) return middle_of_range(place);
    std::ranges::sort(known);
    const double lower = quantile(known, total, 0.25);
    const double median = quantile(known, total, 0.5);
    const double upper = quantile(known, total, 0.75);
    return {median, lower < upper ? upper - lower : distance_from(median, known)};
}

Quartiles::Spread Quartiles::middle_of_range(std::size_t place) const {
    const std::size_t column = columns_[place];
    return {std::midpoint(least_[column], most_[column]), 0.0};
}

Scaling Quartiles::scaling() const {
    Scaling scaling = no_scaling(least_.size());
    for (std::size_t place = 0; place < columns_.size(); ++place) {
        const std::size_t column = columns_[place];
        const double least = least_[column];
        const double most = most_[column];
        scaling.limit[column] = kClip;
        if (least > most) continue;
        const auto [center, distance] = weighted_ ? weighted_spread(place) : spread(place);
        scaling.center[column] = center;
        scaling.scale[column] = scale_of(distance, most - least);
    }
    return scaling;
}

}  // namespace ash
