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

struct Moments {  // a value a column
    std::vector<double> mean;
    std::vector<double> scale;  // standard deviation; 1 where the column is constant
    std::vector<bool> constant;
};

// In two passes, since a sum of squares loses what a large mean leaves; each goes along
// the rows, as they lie in memory.
Moments moments(const Matrix& matrix, std::span<const std::int64_t> rows) {
    const auto columns = static_cast<std::size_t>(matrix.columns);
    const auto count = static_cast<double>(rows.size());
    const double* first = matrix.row(rows.front());
    Moments result{std::vector<double>(columns, 0.0), std::vector<double>(columns, 0.0),
                   std::vector<bool>(columns, true)};
    for (const std::int64_t r : rows) {
        for (std::size_t c = 0; c < columns; ++c) {
            const double value = matrix.row(r)[c];
            result.mean[c] += value;
            if (value != first[c]) result.constant[c] = false;
        }
    }
    for (std::size_t c = 0; c < columns; ++c) result.mean[c] = result.constant[c] ? first[c] : result.mean[c] / count;
    for (const std::int64_t r : rows) {
        for (std::size_t c = 0; c < columns; ++c) {
            const double distance = matrix.row(r)[c] - result.mean[c];
            result.scale[c] += distance * distance;
        }
    }
    for (double& scale : result.scale) {
        const double deviation = std::sqrt(scale / count);
        scale = deviation > 0.0 && std::isfinite(deviation) ? deviation : 1.0;
    }
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
    const Matrix y{table.y, table.columns};
    if (standardize_inputs) {
        const Moments found = moments(x, training);
        inputs_ = {found.mean, found.scale};
        for (int column = 0; column < features_; ++column) {
            if (found.constant[static_cast<std::size_t>(column)]) constant_features_.push_back(column);
        }
    }
    if (classes_ == 0) {
        const Moments found = moments(y, training);
        target_scaling_ = {found.mean, found.scale};
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
