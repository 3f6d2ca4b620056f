// metrics.hpp: how good predictions are, as one number, higher is better.
//
//     classification (class numbers; probabilities)     regression (floats; floats)
//     accuracy, balanced_accuracy, auc, log_loss        r2, rmse, mae
//
// Definitions: those of scikit-learn. Errors (log_loss, rmse, mae) are negated. balanced_accuracy is the mean recall of
//              the classes that occur. auc with two classes ranks the probability of class 1; with more it is the plain
//              mean over classes of one against the rest. r2 is the plain mean over outputs; a constant output scores 1
//              when it is met exactly, else 0. rmse is the mean of the outputs' own roots, mae of their means.
//              Weighted rows count as so many rows each.
// Order:       the class predicted is the first of the highest. Sums run in double, in order of rows, so a score
//              depends on nothing but its arguments. auc counts a tie as half, by ranks, so how the sort leaves ties
//              does not matter.
// Undefined:   NaN: no rows; r2 of one row; auc when a class has no row or all; a prediction that is not finite.
// Threads:     none. A scratch belongs to one thread.
// Cost:        O(rows * outputs), auc O(rows log rows * outputs). Nothing is allocated once the scratch has served
//              as many rows and outputs.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ash {

enum class Metric : std::uint8_t { accuracy, log_loss, balanced_accuracy, auc, r2, rmse, mae };

// Throws std::invalid_argument that lists the names there are.
Metric parse_metric(std::string_view name);
std::string_view name(Metric metric);
bool classifies(Metric metric);

// Row r, output o is values[r * stride + o].
struct Predictions {
    const float* values;
    std::int64_t rows;
    int outputs;
    std::int64_t stride;
    std::span<const float> weights = {};  // [rows], above zero; empty: all alike
};

// Of a regression: as many rows and outputs as the predictions.
struct Targets {
    const float* values;
    std::int64_t stride;
    std::span<const double> scale = {};  // [outputs]: what a unit of each stands for, in rmse and mae; empty: 1
};

struct MetricScratch {
    std::vector<double> sums;         // [3 * outputs]
    std::vector<std::int64_t> order;  // [rows], auc
};

// log_loss: the (weighted) mean of -log(probability of the label), as the trainer has computed it with its own logarithm; it is
// only negated here. The other metrics do not read it. labels: [rows], each in 0..outputs-1.
// REQUIRES: classifies(metric).
double score(Metric metric, const Predictions& predictions, std::span<const std::int32_t> labels, double log_loss,
             MetricScratch& scratch);

// REQUIRES: !classifies(metric).
double score(Metric metric, const Predictions& predictions, const Targets& targets, MetricScratch& scratch);

}  // namespace ash
