// data.hpp: the rows that all candidates train on and are scored on, standardized once, in float32.
//
//     blocks of rows, in order of rows   observe ... observe   fill ... fill   finish
//     (anything that gives doubles)      median, quartiles     float32         Data
//
// The builder reads the table twice, block by block, and keeps nothing of it: Data is the only copy of the table.
//
// Invariants: (1) rows of x start on a cache line and are padded with zeros to `stride`;
//             (2) centers and scales come from the training rows alone. Features are standardized by median and
//                 quartiles and clipped smoothly. Targets are standardized by mean and deviation (scaling.hpp), under
//                 the Poisson loss by their mean alone;
//             (3) a standardized feature that is constant there is dropped: it is 0 in every row, and Network ignores it;
//             (4) NaN is a missing value, and is stored as the center, which is 0;
//             (5) the weights of a part have the mean 1; rows of equal weight have none;
//             (6) rows that are mostly zeros may be stored as their non-zero cells (sparse_rows.hpp);
//             (7) a single target that is above 0 in all training rows is also stored as logarithms, except under the
//                 Poisson loss.
// Threads:    a builder belongs to one thread; Data is const and read by all.
// Memory:     rows * padded(features) floats, or 8 bytes per non-zero cell and 12 per row; 4 bytes per logarithm; the
//             sample of quartiles.hpp until all rows are observed. Sparse cells beyond the reserved room double it.
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
    std::vector<std::int32_t> labels;  // [count], classification
    AlignedFloats targets;             // [count][target_stride], regression, in units of Data::units()
    std::vector<float> log_targets;    // [count], standardized, of training rows alone; empty: none
    std::vector<float> weights;        // [count], of mean 1; empty: all alike
    SparseRows sparse;                 // in place of x

    // to[i] := row numbers[i] of x.
    void gather(const Kernels& kernels, const std::uint32_t* numbers, std::int64_t rows, float* to) const;
    // Rows of x from `first` on. scratch: [rows][stride], used where they are sparse.
    const float* block(std::int64_t first, std::int64_t rows, float* scratch) const;
};

// The loss of a regression.
struct TargetLoss {
    Loss kind = Loss::squared_error;
    double level = 0.5;  // of the pinball loss, between 0 and 1
};

struct TargetTable {  // row-major; not referred to after the call
    const double* y;  // [rows][columns]: class numbers in one column, or regression targets
    std::int64_t rows;
    int columns;
    int classes;           // 0: regression
    TargetLoss loss = {};  // poisson: one column of numbers of at least 0, not all 0 in training
};

// Row numbers, in the order in which the rows are kept, and the weights of the rows.
struct Part {
    std::span<const std::int64_t> rows;
    std::span<const double> weights = {};  // [rows], above zero; empty: all alike
};

struct Table {        // a whole table at once, row-major
    const double* x;  // [rows][features]
    const double* y;  // as in TargetTable
    std::int64_t rows;
    int features;
    int columns;
    int classes;
};

class Data {
  public:
    // From a whole table; throws as DataBuilder. standardize: all features, or none.
    Data(const Table& table, std::span<const std::int64_t> training, std::span<const std::int64_t> validation,
         bool standardize);

    // Rebuilds a Data from its pickled members. Throws std::invalid_argument where they do not fit each other, so that
    // nothing is read beyond its end.
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
        OutputUnits outputs = {};  // none: scaled as `units`, without bounds
        OutputUnits logarithms = {};
    };
    explicit Data(Members members);

    const Rows& training() const { return training_; }
    const Rows& validation() const { return validation_; }
    const EpochCut& epochs() const { return epochs_; }  // of the training rows
    bool is_sparse() const { return !training_.sparse.unused(); }
    int features() const { return features_; }
    int classes() const { return classes_; }                            // 0: regression
    int outputs() const { return classes_ > 0 ? classes_ : targets_; }  // of a network
    Shape shape() const { return {features_, outputs(), static_cast<int>(numbers_.size())}; }
    const Scaling& inputs() const { return inputs_; }
    const Scaling& units() const { return units_; }  // of Rows::targets; zeros and ones for classification
    const TargetLoss& loss() const { return loss_; }
    bool has_logarithms() const { return !training_.log_targets.empty(); }
    // The units of a network trained on the targets, or on their logarithms.
    const OutputUnits& output_units(bool logarithms = false) const { return logarithms ? log_units_ : output_units_; }
    std::span<const int> constant_features() const { return constant_features_; }
    std::span<const int> numbers() const { return numbers_; }  // the features that are standardized and not constant

  private:
    friend class DataBuilder;
    Data(int features, const TargetTable& targets);

    int features_;
    int classes_;
    int targets_;
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
    // standardized: [features], whether each is standardized. epoch_rows: the most rows per epoch; 0: all.
    // sparse_cells: rows are stored sparsely, with room for this many cells in the whole table; 0: densely. Throws
    // std::invalid_argument for shapes, row numbers, weights and class numbers that do not fit, for more classes than
    // rows, for negative epoch_rows or sparse_cells, and for targets or a level that the loss does not allow.
    DataBuilder(int features, const TargetTable& targets, const Part& training, const Part& validation,
                const std::vector<bool>& standardized, std::int64_t epoch_rows = 0, std::int64_t sparse_cells = 0);

    int features() const { return data_.features_; }

    // The next `count` rows x [count][features]; first all rows to observe(), then all again to fill(). Throws
    // std::invalid_argument for rows beyond the table.
    void observe(const double* x, std::int64_t count);
    void fill(const double* x, std::int64_t count);

    // Call once. Throws std::invalid_argument unless all rows were observed and filled.
    Data finish();

  private:
    struct PartRow {
        std::int64_t row;       // of the table
        std::int64_t position;  // in the part
    };
    static std::vector<PartRow> sorted(std::span<const std::int64_t> rows);
    void set_units(const TargetTable& targets, const Part& training);
    std::vector<float> take_logarithms(const TargetTable& targets, const Part& training);
    void settle(const Quartiles& quartiles);
    void fill_part(const double* x, std::int64_t first, std::int64_t count, const std::vector<PartRow>& part,
                   std::size_t& next, Rows& rows);

    const Kernels& kernels_;
    const std::int64_t rows_;
    std::vector<PartRow> training_;  // in order of the table
    std::vector<PartRow> validation_;
    std::vector<double> weights_;         // of the training part, as given
    std::optional<Quartiles> quartiles_;  // until all rows are observed
    std::int64_t observed_ = 0;
    std::int64_t filled_ = 0;
    std::vector<double> inverse_;  // 1 / scale, of the features
    AlignedFloats row_;            // scratch for a sparse part
    std::size_t next_training_ = 0;
    std::size_t next_validation_ = 0;
    Data data_;
};

}  // namespace ash
