#include "ash/data.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "ash/layout.hpp"

namespace ash {
namespace {

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

struct Matrix {  // row-major view
    const double* values;
    int columns;
    const double* row(std::int64_t r) const { return values + r * columns; }
};

// Mean and standard deviation of one column over some rows, in two passes; scale 1 where it is constant.
struct Moments {
    double mean = 0.0;
    double scale = 1.0;
    bool constant = true;
};

Moments moments(const Matrix& matrix, int column, std::span<const std::int64_t> rows) {
    Moments result;
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    double sum = 0.0;
    for (const std::int64_t r : rows) {
        const double value = matrix.row(r)[column];
        low = value < low ? value : low;
        high = value > high ? value : high;
        sum += value;
    }
    const auto count = static_cast<double>(rows.size());
    result.constant = !(low < high);
    result.mean = result.constant ? low : sum / count;
    double squares = 0.0;
    for (const std::int64_t r : rows) {
        const double distance = matrix.row(r)[column] - result.mean;
        squares += distance * distance;
    }
    const double deviation = std::sqrt(squares / count);
    if (!result.constant && deviation > 0.0 && std::isfinite(deviation)) result.scale = deviation;
    return result;
}

Scaling no_scaling(int columns) {
    const auto size = static_cast<std::size_t>(columns);
    return {std::vector<double>(size, 0.0), std::vector<double>(size, 1.0)};
}

void standardize_rows(const Matrix& from, std::span<const std::int64_t> rows, const Scaling& scaling,
                      std::int64_t stride, AlignedFloats& to) {
    to = AlignedFloats(static_cast<std::int64_t>(rows.size()) * stride);
    float* row = to.data();
    for (const std::int64_t r : rows) {
        standardize(from.row(r), scaling, row);
        row += stride;
    }
}

std::vector<std::int32_t> labels_of(const Table& table, std::span<const std::int64_t> rows) {
    std::vector<std::int32_t> labels;
    labels.reserve(rows.size());
    for (const std::int64_t r : rows) {
        const double label = table.y[r];
        require(label >= 0.0 && label < table.classes && label == std::floor(label), "y: a class number out of range");
        labels.push_back(static_cast<std::int32_t>(label));
    }
    return labels;
}

void check_rows(std::span<const std::int64_t> numbers, std::int64_t rows, const char* what) {
    require(!numbers.empty(), what);
    require(numbers.size() < std::numeric_limits<std::uint32_t>::max(), "more than 2^32 rows");
    for (const std::int64_t r : numbers) require(r >= 0 && r < rows, "a row number is out of range");
}

}  // namespace

void standardize(const double* from, const Scaling& scaling, float* to) {
    for (std::size_t column = 0; column < scaling.mean.size(); ++column) {
        to[column] = static_cast<float>((from[column] - scaling.mean[column]) / scaling.scale[column]);
    }
}

Data::Data(const Table& table, std::span<const std::int64_t> training, std::span<const std::int64_t> validation,
           bool standardize_inputs)
    : features_(table.features),
      classes_(table.classes),
      targets_(table.columns),
      inputs_(no_scaling(table.features)),
      target_scaling_(no_scaling(table.classes > 0 ? table.classes : table.columns)) {
    require(table.features >= 1 && table.columns >= 1, "x and y need a column each");
    require(table.classes == 0 || (table.classes >= 2 && table.columns == 1), "y: classes are numbers in one column");
    check_rows(training, table.rows, "no row to train on");
    check_rows(validation, table.rows, "no row to validate on");
    const Matrix x{table.x, table.features};
    for (int column = 0; column < features_; ++column) {
        const Moments found = moments(x, column, training);
        if (!standardize_inputs) break;
        if (found.constant) constant_features_.push_back(column);
        inputs_.mean[static_cast<std::size_t>(column)] = found.mean;
        inputs_.scale[static_cast<std::size_t>(column)] = found.scale;
    }
    const Matrix y{table.y, table.columns};
    for (int column = 0; classes_ == 0 && column < targets_; ++column) {
        const Moments found = moments(y, column, training);
        target_scaling_.mean[static_cast<std::size_t>(column)] = found.mean;
        target_scaling_.scale[static_cast<std::size_t>(column)] = found.scale;
    }
    const auto fill = [&](Rows& rows, std::span<const std::int64_t> numbers) {
        rows.count = static_cast<std::int64_t>(numbers.size());
        rows.stride = padded(features_);
        rows.target_stride = padded(outputs());
        standardize_rows(x, numbers, inputs_, rows.stride, rows.x);
        if (classes_ > 0) {
            rows.labels = labels_of(table, numbers);
        } else {
            standardize_rows(y, numbers, target_scaling_, rows.target_stride, rows.targets);
        }
    };
    fill(training_, training);
    fill(validation_, validation);
    for (std::int64_t row = 0; row < validation_.count; ++row) {
        for (const int column : constant_features_) validation_.x.data()[row * validation_.stride + column] = 0.0F;
    }
}

}  // namespace ash
