// data.hpp: the rows on which all candidates are trained and scored. They are standardized once and stored in float32.
//
//     blocks of rows, in row order       observe ... observe   fill ... fill   finish
//     (from any source of doubles)       median, quartiles     float32         Data
//
// DataBuilder reads the table twice, block by block, and keeps no copy of it: Data is the only copy.
//
// Invariants: (1) rows of x start on a cache line and are padded with zeros to `stride`;
//             (2) centers and scales are computed only from the training rows. Features marked as `standardized` are
//                 scaled by median and quartiles and clipped smoothly. Targets are scaled by mean and standard
//                 deviation (scaling.hpp), or only divided by their mean under the Poisson loss;
//             (3) a standardized feature that is constant in the training rows is dropped: it is 0 in every row, and
//                 Network ignores it;
//             (4) NaN is a missing value and is stored as 0, as is any value at the center of its column;
//             (5) the weights of a part have the mean 1; no weights are stored if all are equal;
//             (6) rows that are mostly zeros may be stored as their non-zero cells (sparse_rows.hpp);
//             (7) for a regression, the logarithms of the training targets are stored as well if the loss is not
//                 Poisson, there is one target column, and all training targets and all ratios of two of them are
//                 positive normal float32 numbers.
// Threads:    a builder belongs to one thread; Data is const and may be read by all threads.
// Memory:     features take padded(features) floats per row, or for sparse rows 8 bytes per non-zero cell and 12 per
//             row. Regression targets take padded(targets) floats per row, and class numbers 4 bytes per row. Each
//             stored weight or logarithm takes 4 bytes. Until all rows are observed, memory also holds the sample of
//             quartiles.hpp. If there are more sparse cells than were reserved, the memory reserved for them is
//             doubled.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ash/data/aligned.hpp"
#include "ash/data/epoch_cut.hpp"
#include "ash/data/output_units.hpp"
#include "ash/data/quartiles.hpp"
#include "ash/data/scaling.hpp"
#include "ash/data/shape.hpp"
#include "ash/data/sparse_rows.hpp"
#include "ash/kernels/kernels.hpp"

namespace ash {

struct Rows {
    std::int64_t count = 0;
    std::int64_t stride = 0;           // floats per row of x
    std::int64_t target_stride = 0;    // floats per row of targets
    AlignedFloats x;                   // [count][stride], unless rows are sparse
    std::vector<std::int32_t> labels;  // [count]: class numbers; empty for regression
    AlignedFloats targets;             // [count][target_stride], only for regression, in units of Data::units()
    std::vector<float> log_targets;    // [count]: standardized logarithms of training targets; empty if unused
    std::vector<float> weights;        // [count], with mean 1; empty if all are equal
    SparseRows sparse;                 // replaces x if rows are sparse

    // to[i] := row `numbers[i]` of x.
    void gather(const Kernels& kernels, const std::uint32_t* numbers, std::int64_t rows, float* to) const;
    // Returns the rows of x starting at `first`. scratch: [rows][stride], used if rows are sparse.
    const float* block(std::int64_t first, std::int64_t rows, float* scratch) const;
};

// The loss of a regression.
struct TargetLoss {
    Loss kind = Loss::squared_error;
    double level = 0.5;  // quantile level of the pinball loss, between 0 and 1
};

struct TargetTable {  // `y` is row-major, and is not read after the constructor that takes this struct
    const double* y;  // [rows][columns]: class numbers in one column, or regression targets
    std::int64_t rows;
    int columns;
    int classes;           // number of classes; 0 for regression
    TargetLoss loss = {};  // poisson requires one column of numbers >= 0, not all of them 0 in training rows
    int positive = 1;      // of two classes, the class that f1 and average_precision score
};

// The training or the validation part of a table: row numbers, in the order in which the rows are stored, and weights.
struct Part {
    std::span<const std::int64_t> rows;
    std::span<const double> weights = {};  // [rows], above zero; empty if all are equal
};

struct Table {        // a whole table; its two arrays are row-major
    const double* x;  // [rows][features]
    const double* y;  // as in TargetTable
    std::int64_t rows;
    int features;
    int columns;
    int classes;
};

class Data {
  public:
    // Builds the data from a whole table. Throws in the same cases as DataBuilder. standardize: whether to standardize
    // all features or none.
    Data(const Table& table, std::span<const std::int64_t> training, std::span<const std::int64_t> validation,
         bool standardize);

    // The members of a pickled Data, from which the constructor below rebuilds it. The constructor throws
    // std::invalid_argument if the members are inconsistent, so that no read goes past the end of a buffer.
    struct Members {
        int features;
        int classes;
        Scaling inputs;
        Scaling units;
        std::vector<int> constant_features;
        std::vector<int> numbers;
        Rows training;
        Rows validation;
        std::int64_t epoch_rows;
        TargetLoss loss = {};
        OutputUnits outputs = {};  // if `least` is empty: replaced by `units` without bounds
        OutputUnits logarithms = {};
        int positive = 1;
    };
    explicit Data(Members members);

    const Rows& training() const { return training_; }
    const Rows& validation() const { return validation_; }
    const EpochCut& epochs() const { return epochs_; }  // division of the training rows into epochs
    bool is_sparse() const { return !training_.sparse.unused(); }
    int features() const { return features_; }
    int classes() const { return classes_; }                            // number of classes; 0 for regression
    int outputs() const { return classes_ > 0 ? classes_ : targets_; }  // number of outputs of a network
    int positive() const { return positive_; }                          // as in TargetTable
    Shape shape() const { return {features_, outputs(), static_cast<int>(numbers_.size())}; }
    const Scaling& inputs() const { return inputs_; }
    const Scaling& units() const { return units_; }  // units of Rows::targets; identity for classification
    const TargetLoss& loss() const { return loss_; }
    bool has_logarithms() const { return !training_.log_targets.empty(); }
    // Returns the units of the outputs of a network trained on the targets, or on their logarithms.
    const OutputUnits& output_units(bool logarithms = false) const { return logarithms ? log_units_ : output_units_; }
    std::span<const int> constant_features() const { return constant_features_; }
    std::span<const int> numbers() const { return numbers_; }  // column numbers of standardized, non-constant features

  private:
    friend class DataBuilder;
    Data(int features, const TargetTable& targets);

    int features_;
    int classes_;
    int targets_;
    int positive_;
    Scaling inputs_;
    Scaling units_;
    TargetLoss loss_;
    OutputUnits output_units_;
    OutputUnits log_units_;
    std::vector<int> constant_features_;
    std::vector<int> numbers_;
    Rows training_;
    Rows validation_;
    EpochCut epochs_;
};

class DataBuilder {
  public:
    // standardized: [features], whether each feature is standardized. epoch_rows: the maximum number of rows per epoch;
    // 0 for all. sparse_cells: the number of non-zero cells in the whole table for which memory is reserved; 0 for
    // dense rows. Throws std::invalid_argument for invalid shapes, row numbers, weights or class numbers, for more
    // classes than rows, for negative epoch_rows or sparse_cells, and for targets or a quantile level that the loss
    // does not allow.
    DataBuilder(int features, const TargetTable& targets, const Part& training, const Part& validation,
                const std::vector<bool>& standardized, std::int64_t epoch_rows = 0, std::int64_t sparse_cells = 0);

    int features() const { return data_.features_; }

    // Adds the next `count` rows x [count][features]. Pass all rows to observe(), then all rows again to fill().
    // Throws std::invalid_argument for more rows than the table has, and if fill() is called before all rows are
    // observed.
    void observe(const double* x, std::int64_t count);
    void fill(const double* x, std::int64_t count);

    // Returns the finished Data. Throws std::invalid_argument if some rows were not observed or filled, or if called
    // again.
    Data finish();

  private:
    struct PartRow {
        std::int64_t row;       // row number in the table
        std::int64_t position;  // index in the part
    };
    static std::vector<PartRow> sorted(std::span<const std::int64_t> rows);
    void set_units(const TargetTable& targets, const Part& training);
    std::vector<float> take_logarithms(const TargetTable& targets, const Part& training);
    void settle(const Quartiles& quartiles);
    void fill_part(const double* x, std::int64_t first, std::int64_t count, const std::vector<PartRow>& part,
                   std::size_t& next, Rows& rows);

    const Kernels& kernels_;
    const std::int64_t rows_;
    std::vector<PartRow> training_;  // in table order
    std::vector<PartRow> validation_;
    std::vector<double> weights_;         // weights of the training part, before they are scaled to a mean of 1
    std::optional<Quartiles> quartiles_;  // empty once all rows are observed
    std::int64_t observed_ = 0;
    std::int64_t filled_ = 0;
    std::vector<double> inverse_;  // 1 / scale of the features
    AlignedFloats row_;            // scratch for a row of a sparse part
    std::size_t next_training_ = 0;
    std::size_t next_validation_ = 0;
    Data data_;
};

}  // namespace ash
