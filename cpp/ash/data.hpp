// data.hpp: the rows that all candidates train on and are scored on, standardized once, in float32.
//
// Invariants: (1) rows of x start on a cache line and are padded with zeros to `stride`;
//             (2) mean and scale come from the training rows alone;
//             (3) a feature that is constant there is dropped, if inputs are standardized: it is 0 in every row, and
//                 Network ignores it.
// Threads:    const after construction; read by all.
// Memory:     rows * padded(features) floats, and no second copy.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ash/aligned.hpp"

namespace ash {

// z = (x - mean) / scale, in double.
struct Scaling {
    std::vector<double> mean;
    std::vector<double> scale;
};

// to[column] := (from[column] - mean) / scale.
void standardize(const double* from, const Scaling& scaling, float* to);

struct Rows {
    std::int64_t count = 0;
    std::int64_t stride = 0;           // floats a row of x
    std::int64_t target_stride = 0;    // floats a row of targets
    AlignedFloats x;                   // [count][stride]
    std::vector<std::int32_t> labels;  // [count], classification
    AlignedFloats targets;             // [count][target_stride], regression, standardized
};

struct Table {        // what Data reads, row-major; nothing of it is kept
    const double* x;  // [rows][features]
    const double* y;  // [rows][columns]: class numbers in one column, or regression targets
    std::int64_t rows;
    int features;
    int columns;
    int classes;  // 0: regression
};

class Data {
  public:
    // Throws std::invalid_argument for shapes, row numbers and class numbers that do not fit.
    Data(const Table& table, std::span<const std::int64_t> training, std::span<const std::int64_t> validation,
         bool standardize);

    const Rows& training() const { return training_; }
    const Rows& validation() const { return validation_; }
    int features() const { return features_; }
    int classes() const { return classes_; }                            // 0: regression
    int outputs() const { return classes_ > 0 ? classes_ : targets_; }  // of a network
    const Scaling& inputs() const { return inputs_; }
    const Scaling& targets() const { return target_scaling_; }  // zeros and ones for classification
    std::span<const int> constant_features() const { return constant_features_; }

  private:
    int features_;
    int classes_;
    int targets_;
    Scaling inputs_;
    Scaling target_scaling_;
    std::vector<int> constant_features_;
    Rows training_;
    Rows validation_;
};

}  // namespace ash
