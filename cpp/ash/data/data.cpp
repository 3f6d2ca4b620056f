#include "ash/data/data.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "ash/data/moments.hpp"
#include "ash/data/require.hpp"
#include "ash/data/shape.hpp"

namespace ash {
namespace {

// The maximum prediction of an output with Link::exp, as a multiple of the largest training target.
constexpr double kBeyond = 2.0;

void check_columns(int features, int targets, int classes) {
    require(features >= 1 && features <= kMostColumns, "x: the number of columns must be 1 to 2^28");
    require(targets >= 1 && targets <= kMostColumns, "y: the number of columns must be 1 to 2^28");
    require(classes == 0 || (classes >= 2 && classes <= kMostColumns && targets == 1),
            "y: not one column of 2 to 2^28 classes");
}

void check_part(const Part& part, std::int64_t rows, const char* what) {
    require(!part.rows.empty(), what);
    require(part.rows.size() < std::numeric_limits<std::uint32_t>::max(), "more than 2^32 rows");
    for (const std::int64_t r : part.rows) require(r >= 0 && r < rows, "a row number is out of range");
    require(part.weights.empty() || part.weights.size() == part.rows.size(),
            "weights: one per row of the part is required");
    for (const double weight : part.weights) {
        require(weight > 0.0 && std::isfinite(weight), "weights: must be above 0 and finite");
    }
}

std::vector<std::int32_t> labels_of(const TargetTable& table, std::span<const std::int64_t> rows) {
    std::vector<std::int32_t> labels;
    labels.reserve(rows.size());
    for (const std::int64_t r : rows) {
        const double label = table.y[r];
        require(label >= 0.0 && label < table.classes && label == std::floor(label), "y: a class number out of range");
        labels.push_back(static_cast<std::int32_t>(label));
    }
    return labels;
}

double weight_of(std::span<const double> weights, std::size_t position) {
    return weights.empty() ? 1.0 : weights[position];
}

void check_loss(const TargetLoss& loss, int classes, int targets) {
    require(loss.level > 0.0 && loss.level < 1.0, "loss: the level must be between 0 and 1");
    require(loss.kind == Loss::squared_error || classes == 0, "loss: only a regression has a choice");
    require(loss.kind != Loss::poisson || targets == 1, "poisson: targets must be one column");
}

void check_positive(int positive) { require(positive == 0 || positive == 1, "positive: 0 or 1"); }

Scaling scaling_of(const TargetTable& table, const Part& training) {
    Moments moments(table.columns);
    for (std::size_t i = 0; i < training.rows.size(); ++i) {
        moments.add(table.y + training.rows[i] * table.columns, weight_of(training.weights, i));
    }
    Scaling scaling = moments.scaling();
    if (table.loss.kind == Loss::poisson) {
        require(scaling.center.front() > 0.0, "poisson: at least one target must be above 0");
        scaling.scale = scaling.center;
        check_scaling(scaling, 1);
        scaling.center.assign(1, 0.0);
    }
    return scaling;
}

// Returns whether targets from `least` to `most`, and the ratios of any two of them, are normal float32 numbers.
// planning.py checks the same condition.
bool has_float_logarithms(double least, double most) {
    using Float = std::numeric_limits<float>;
    return least >= Float::min() && most <= Float::max() && least >= Float::min() * most;
}

// Returns the units of a network's outputs. units: the scaling of the training targets.
OutputUnits output_units(const Scaling& units, const TargetLoss& loss) {
    if (loss.kind != Loss::poisson) return without_bounds(units);
    OutputUnits result = without_bounds({units.scale, {1.0}, {0.0}});
    result.link = Link::exp;
    return result;
}

// Returns the weights scaled to a mean of 1, or an empty vector if all weights are equal.
std::vector<float> normalized(std::span<const double> weights) {
    std::vector<float> result;
    if (std::ranges::all_of(weights, [&](double weight) { return weight == weights.front(); })) return result;
    const double mean = std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size());
    require(std::isfinite(mean), "weights: their sum is not finite");
    result.reserve(weights.size());
    for (const double weight : weights) result.push_back(static_cast<float>(weight / mean));
    return result;
}

// Returns the rows of a part with weights and targets, and with memory for features, which are not filled in yet.
// sparse_cells: the number of non-zero cells to reserve for the whole table, of which the part gets a share in
// proportion to its rows; 0 for dense rows.
Rows empty_rows(int features, const TargetTable& table, const Part& part, const Scaling& scaling,
                std::int64_t sparse_cells) {
    Rows rows;
    rows.count = std::ssize(part.rows);
    rows.stride = padded(features);
    rows.target_stride = padded(table.classes > 0 ? table.classes : table.columns);
    if (sparse_cells > 0) {
        const double share = static_cast<double>(rows.count) / static_cast<double>(table.rows);
        rows.sparse = SparseRows(rows.count, static_cast<std::int64_t>(share * static_cast<double>(sparse_cells)));
    } else {
        rows.x = AlignedFloats(rows.count * rows.stride);
    }
    rows.weights = normalized(part.weights);
    if (table.classes > 0) {
        rows.labels = labels_of(table, part.rows);
        return rows;
    }
    rows.targets = AlignedFloats(rows.count * rows.target_stride);
    const std::vector<double> inverses = inverse(scaling);
    const Standardization columns = standardization(scaling, inverses);
    float* to = rows.targets.data();
    for (const std::int64_t r : part.rows) {
        kernels("").standardize(table.y + r * table.columns, columns, to);
        to += rows.target_stride;
    }
    return rows;
}

void check_sparse(const SparseRows& sparse, std::int64_t rows, int features) {
    if (sparse.unused()) return;
    require(std::ssize(sparse.first) == rows && std::ssize(sparse.size) == rows, "data: sparse rows");
    require(sparse.columns.size() == sparse.values.size(), "data: sparse cells");
    for (std::size_t r = 0; r < sparse.first.size(); ++r) {
        const std::int64_t end = std::ssize(sparse.values) - std::int64_t{sparse.size[r]};
        require(sparse.first[r] >= 0 && sparse.first[r] <= end, "data: a sparse row");
    }
    for (const std::uint32_t column : sparse.columns) {
        require(column < static_cast<std::uint32_t>(features), "data: a sparse column");
    }
}

void check_rows(const Rows& rows, int features, int classes, int outputs) {
    require(rows.count >= 1 && rows.count < std::numeric_limits<std::uint32_t>::max(), "data: rows");
    require(rows.stride == padded(features) && rows.target_stride == padded(outputs), "data: strides");
    require(rows.x.size() == (rows.sparse.unused() ? rows.count * rows.stride : 0), "data: inputs");
    check_sparse(rows.sparse, rows.count, features);
    require(std::ssize(rows.labels) == (classes > 0 ? rows.count : 0), "data: labels");
    require(rows.targets.size() == (classes > 0 ? 0 : rows.count * rows.target_stride), "data: targets");
    require(rows.weights.empty() || std::ssize(rows.weights) == rows.count, "data: weights");
    require(rows.log_targets.empty() || std::ssize(rows.log_targets) == rows.count, "data: logarithms");
    for (const std::int32_t label : rows.labels) require(label >= 0 && label < classes, "data: a class number");
}

}  // namespace

void Rows::gather(const Kernels& kernels, const std::uint32_t* numbers, std::int64_t rows, float* to) const {
    if (sparse.unused()) return kernels.gather(x.data(), stride, numbers, rows, to);
    for (std::int64_t row = 0; row < rows; ++row) sparse.expand(numbers[row], stride, to + row * stride);
}

const float* Rows::block(std::int64_t first, std::int64_t rows, float* scratch) const {
    if (sparse.unused()) return x.data() + first * stride;
    for (std::int64_t row = 0; row < rows; ++row) sparse.expand(first + row, stride, scratch + row * stride);
    return scratch;
}

Data::Data(int features, const TargetTable& targets)
    : features_(features), classes_(targets.classes), targets_(targets.columns), positive_(targets.positive) {
    check_columns(features_, targets_, classes_);
    check_positive(positive_);
    require(classes_ <= targets.rows, "y: more classes than rows");
    inputs_ = no_scaling(static_cast<std::size_t>(features_));
    units_ = no_scaling(static_cast<std::size_t>(outputs()));
    output_units_ = without_bounds(units_);
    loss_ = targets.loss;
    check_loss(loss_, classes_, targets_);
    if (loss_.kind != Loss::poisson) return;
    const std::span y(targets.y, static_cast<std::size_t>(targets.rows));
    require(std::ranges::all_of(y, [](double count) { return count >= 0.0; }), "poisson: targets must be at least 0");
}

Data::Data(const Table& table, std::span<const std::int64_t> training, std::span<const std::int64_t> validation,
           bool standardize)
    : Data([&] {
          require(table.features >= 1, "x: at least one column is required");
          DataBuilder builder(table.features, {table.y, table.rows, table.columns, table.classes}, {training},
                              {validation}, std::vector<bool>(static_cast<std::size_t>(table.features), standardize));
          builder.observe(table.x, table.rows);
          builder.fill(table.x, table.rows);
          return builder.finish();
      }()) {}

Data::Data(Members members)
    : features_(members.features),
      classes_(members.classes),
      targets_(members.classes > 0 ? 1 : static_cast<int>(members.units.center.size())),
      positive_(members.positive),
      inputs_(std::move(members.inputs)),
      units_(std::move(members.units)),
      loss_(members.loss),
      output_units_(members.outputs.least.empty() ? without_bounds(units_) : std::move(members.outputs)),
      log_units_(std::move(members.logarithms)),
      constant_features_(std::move(members.constant_features)),
      numbers_(std::move(members.numbers)),
      training_(std::move(members.training)),
      validation_(std::move(members.validation)),
      epochs_(training_.count, members.epoch_rows) {
    check_columns(features_, targets_, classes_);
    check_positive(positive_);
    require(members.epoch_rows >= 0, "data: epoch_rows");
    check_scaling(inputs_, features_);
    check_scaling(units_, outputs());
    check_units(output_units_, outputs());
    check_loss(loss_, classes_, targets_);
    const bool is_poisson = loss_.kind == Loss::poisson;
    require(is_poisson == (output_units_.link == Link::exp), "data: link");
    require(
        is_poisson || (output_units_.scaling.center == units_.center && output_units_.scaling.scale == units_.scale),
        "data: outputs are not in the units of targets");
    if (has_logarithms()) {
        require(classes_ == 0 && targets_ == 1 && !is_poisson && log_units_.link == Link::exp, "data: logarithms");
        check_units(log_units_, 1);
        require(std::ranges::all_of(training_.log_targets, [](float z) { return std::isfinite(z); }),
                "data: logarithms");
    }
    require(validation_.log_targets.empty(), "data: logarithms");
    for (const int column : constant_features_) require(column >= 0 && column < features_, "data: constant features");
    for (const int column : numbers_) require(column >= 0 && column < features_, "data: numbers");
    const bool ascend = std::ranges::adjacent_find(numbers_, std::ranges::greater_equal{}) == numbers_.end();
    require(ascend, "data: numbers not in order");
    check_rows(training_, features_, classes_, outputs());
    check_rows(validation_, features_, classes_, outputs());
    require(training_.sparse.unused() == validation_.sparse.unused(), "data: only one of the parts is sparse");
}

DataBuilder::DataBuilder(int features, const TargetTable& targets, const Part& training, const Part& validation,
                         const std::vector<bool>& standardized, std::int64_t epoch_rows, std::int64_t sparse_cells)
    : kernels_(kernels("")),
      rows_(targets.rows),
      weights_(training.weights.begin(), training.weights.end()),
      row_(sparse_cells > 0 ? padded(features) : 0),
      data_(features, targets) {
    require(std::ssize(standardized) == features, "standardized: one per feature is required");
    check_part(training, rows_, "no row to train on");
    check_part(validation, rows_, "no row to validate on");
    require(epoch_rows >= 0, "epoch_rows: must be at least 0");
    quartiles_.emplace(standardized, std::ssize(training.rows));
    training_ = sorted(training.rows);
    validation_ = sorted(validation.rows);
    require(sparse_cells >= 0, "sparse_cells: must be at least 0");
    if (targets.classes == 0) set_units(targets, training);
    data_.training_ = empty_rows(features, targets, training, data_.units_, sparse_cells);
    if (!data_.log_units_.least.empty()) data_.training_.log_targets = take_logarithms(targets, training);
    data_.validation_ = empty_rows(features, targets, validation, data_.units_, sparse_cells);
    data_.epochs_ = EpochCut(data_.training_.count, epoch_rows);
}

void DataBuilder::set_units(const TargetTable& targets, const Part& training) {
    data_.units_ = scaling_of(targets, training);
    data_.output_units_ = output_units(data_.units_, targets.loss);
    for (int column = 0; column < targets.columns; ++column) {
        double least = std::numeric_limits<double>::infinity();
        double most = -least;
        for (const std::int64_t row : training.rows) {
            const double target = targets.y[row * targets.columns + column];
            least = std::min(least, target);
            most = std::max(most, target);
        }
        const auto place = static_cast<std::size_t>(column);
        if (least >= 0.0) data_.output_units_.least[place] = least;
        if (targets.loss.kind == Loss::poisson) {
            data_.output_units_.most[place] = kBeyond * most;
        } else if (targets.columns == 1 && has_float_logarithms(least, most)) {
            data_.log_units_ = {Link::exp, {}, {least}, {kBeyond * most}};
        }
    }
}

// Returns the standardized logarithms of the training targets. The kernels' log is less accurate far from 1, so targets
// are first divided by roughly their geometric mean. The baseline kernels are used, since they exist on every machine.
// So the logarithms are bit-identical on all machines.
std::vector<float> DataBuilder::take_logarithms(const TargetTable& targets, const Part& training) {
    const Kernels& baseline = kernels("baseline");
    std::vector<float> values(training.rows.size());
    double middle = 1.0;
    Scaling scaling;
    for (int pass = 0; pass < 2; ++pass) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = static_cast<float>(targets.y[training.rows[i]] / middle);
        }
        baseline.elementary(Elementary::log, values.data(), values.data(), std::ssize(values));
        Moments moments(1);
        for (std::size_t i = 0; i < values.size(); ++i) {
            const double logarithm = values[i];
            moments.add(&logarithm, weight_of(training.weights, i));
        }
        scaling = moments.scaling();
        auto factor = static_cast<float>(scaling.center.front());
        baseline.elementary(Elementary::exp, &factor, &factor, 1);
        middle *= factor;
    }
    for (float& value : values) {
        value = static_cast<float>((value - scaling.center.front()) / scaling.scale.front());
    }
    data_.log_units_.scaling = {{middle}, scaling.scale, {0.0}};
    return values;
}

std::vector<DataBuilder::PartRow> DataBuilder::sorted(std::span<const std::int64_t> rows) {
    std::vector<PartRow> result;
    result.reserve(rows.size());
    for (const std::int64_t row : rows) result.push_back({row, std::ssize(result)});
    const auto before = [](const PartRow& a, const PartRow& b) { return a.row < b.row; };
    if (!std::ranges::is_sorted(result, before)) std::ranges::stable_sort(result, before);
    return result;
}

void DataBuilder::observe(const double* x, std::int64_t count) {
    const bool fits = count >= 0 && count <= rows_ - observed_;
    if (!quartiles_ || !fits) throw std::invalid_argument("more rows than the table has, or fewer than none");
    for (; next_training_ < training_.size() && training_[next_training_].row < observed_ + count; ++next_training_) {
        const PartRow& next = training_[next_training_];
        quartiles_->add(x + (next.row - observed_) * data_.features_,
                        weight_of(weights_, static_cast<std::size_t>(next.position)));
    }
    observed_ += count;
    if (observed_ < rows_) return;
    settle(*quartiles_);
    quartiles_.reset();
    next_training_ = 0;
}

void DataBuilder::settle(const Quartiles& quartiles) {
    data_.inputs_ = quartiles.scaling();
    inverse_ = inverse(data_.inputs_);
    for (int column = 0; column < data_.features_; ++column) {
        const auto index = static_cast<std::size_t>(column);
        if (data_.inputs_.limit[index] == 0.0) continue;
        (quartiles.constant(index) ? data_.constant_features_ : data_.numbers_).push_back(column);
    }
}

void DataBuilder::fill(const double* x, std::int64_t count) {
    require(observed_ == rows_ && count >= 0 && count <= rows_ - filled_,
            "all rows must be observed, and then come again");
    fill_part(x, filled_, count, training_, next_training_, data_.training_);
    fill_part(x, filled_, count, validation_, next_validation_, data_.validation_);
    filled_ += count;
}

void DataBuilder::fill_part(const double* x, std::int64_t first, std::int64_t count, const std::vector<PartRow>& part,
                            std::size_t& next, Rows& rows) {
    const Standardization columns = standardization(data_.inputs_, inverse_);
    for (; next < part.size() && part[next].row < first + count; ++next) {
        const std::int64_t position = part[next].position;
        float* to = rows.sparse.unused() ? rows.x.data() + position * rows.stride : row_.data();
        kernels_.standardize(x + (part[next].row - first) * data_.features_, columns, to);
        for (const int column : data_.constant_features_) to[column] = 0.0F;
        if (!rows.sparse.unused()) rows.sparse.put(position, {to, static_cast<std::size_t>(data_.features_)});
    }
}

Data DataBuilder::finish() {
    require(filled_ == rows_, "not all rows were observed and filled, or finish() was called before");
    filled_ = rows_ + 1;
    return std::move(data_);
}

}  // namespace ash
