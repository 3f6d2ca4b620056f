#include "ash/train/metrics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

// Shapes: predictions [R][O] with a stride, labels [R], targets [R][O] with a stride; R = rows, O = outputs or classes.

namespace ash {

namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Those of scikit-learn's scorers.
constexpr std::array<std::string_view, 7> kNames = {"accuracy",
                                                    "neg_log_loss",
                                                    "balanced_accuracy",
                                                    "roc_auc",
                                                    "r2",
                                                    "neg_root_mean_squared_error",
                                                    "neg_mean_absolute_error"};

std::span<const float> row(const Predictions& predictions, std::int64_t r) {
    return {predictions.values + r * predictions.stride, static_cast<std::size_t>(predictions.outputs)};
}

std::span<const float> row(const Targets& targets, std::int64_t r, int outputs) {
    return {targets.values + r * targets.stride, static_cast<std::size_t>(outputs)};
}

// Sums of ones are exact, so rows that are all alike score as if they were counted.
double weight(const Predictions& predictions, std::int64_t r) {
    return predictions.weights.empty() ? 1.0 : double{predictions.weights[static_cast<std::size_t>(r)]};
}

double weight_sum(const Predictions& predictions) {
    double sum = 0.0;
    for (std::int64_t r = 0; r < predictions.rows; ++r) sum += weight(predictions, r);
    return sum;
}

// By the bits of the exponent, which the compiler can do for many floats at once.
bool all_finite(const Predictions& predictions) {
    constexpr std::uint32_t kExponent = 0x7f800000U;
    bool finite = true;
    for (std::int64_t r = 0; r < predictions.rows; ++r) {
        for (const float value : row(predictions, r)) {
            finite &= (std::bit_cast<std::uint32_t>(value) & kExponent) != kExponent;
        }
    }
    return finite;
}

std::int32_t predicted_class(std::span<const float> probabilities) {
    return static_cast<std::int32_t>(std::ranges::max_element(probabilities) - probabilities.begin());
}

double accuracy(const Predictions& predictions, std::span<const std::int32_t> labels) {
    double hits = 0.0;
    for (std::int64_t r = 0; r < predictions.rows; ++r) {
        if (predicted_class(row(predictions, r)) == labels[static_cast<std::size_t>(r)]) hits += weight(predictions, r);
    }
    return hits / weight_sum(predictions);
}

double balanced_accuracy(const Predictions& predictions, std::span<const std::int32_t> labels, MetricScratch& scratch) {
    const auto classes = static_cast<std::size_t>(predictions.outputs);
    std::ranges::fill(scratch.sums, 0.0);
    const std::span<double> hits = std::span(scratch.sums).first(classes);
    const std::span<double> rows = std::span(scratch.sums).subspan(classes, classes);
    for (std::int64_t r = 0; r < predictions.rows; ++r) {
        const std::int32_t label = labels[static_cast<std::size_t>(r)];
        rows[static_cast<std::size_t>(label)] += weight(predictions, r);
        if (predicted_class(row(predictions, r)) == label)
            hits[static_cast<std::size_t>(label)] += weight(predictions, r);
    }
    double recalls = 0.0;
    int present = 0;
    for (std::size_t c = 0; c < classes; ++c) {
        if (rows[c] == 0.0) continue;
        recalls += hits[c] / rows[c];
        ++present;
    }
    return recalls / present;
}

// Area under the curve of class `positive` against the rest: the share of pairs (one of it, one of the rest) that its
// probability puts in the right order, tied pairs as half (Mann and Whitney 1947). Halves of ones are exact too.
double auc_of_class(const Predictions& predictions, std::span<const std::int32_t> labels, std::int32_t positive,
                    std::vector<std::int64_t>& order) {
    const auto value = [&](std::int64_t r) { return predictions.values[r * predictions.stride + positive]; };
    const std::int64_t rows = predictions.rows;
    order.resize(static_cast<std::size_t>(rows));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    // Ties by row: the weights of tied rows are added in the same order always.
    std::ranges::sort(
        order, [&](std::int64_t a, std::int64_t b) { return value(a) < value(b) || (value(a) == value(b) && a < b); });
    double positives = 0.0;
    double negatives = 0.0;
    double ordered = 0.0;  // pairs
    for (std::size_t first = 0, end = 0; first < order.size(); first = end) {
        double tied_positives = 0.0;
        double tied_negatives = 0.0;
        for (; end < order.size() && value(order[end]) == value(order[first]); ++end) {
            const bool is_positive = labels[static_cast<std::size_t>(order[end])] == positive;
            (is_positive ? tied_positives : tied_negatives) += weight(predictions, order[end]);
        }
        ordered += tied_positives * (negatives + 0.5 * tied_negatives);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    return positives > 0.0 && negatives > 0.0 ? ordered / (positives * negatives) : kUndefined;
}

double auc(const Predictions& predictions, std::span<const std::int32_t> labels, MetricScratch& scratch) {
    if (predictions.outputs == 2) return auc_of_class(predictions, labels, 1, scratch.order);
    double sum = 0.0;
    for (int c = 0; c < predictions.outputs; ++c) sum += auc_of_class(predictions, labels, c, scratch.order);
    return sum / predictions.outputs;
}

// sums[o] = sum over rows of weight * term(target, prediction, o), in order of rows.
template <typename Term>
void sum_rows(const Predictions& predictions, const Targets& targets, std::span<double> sums, Term term) {
    std::ranges::fill(sums, 0.0);
    for (std::int64_t r = 0; r < predictions.rows; ++r) {
        const std::span<const float> target = row(targets, r, predictions.outputs);
        const std::span<const float> prediction = row(predictions, r);
        const double share = weight(predictions, r);
        for (std::size_t o = 0; o < sums.size(); ++o) {
            sums[o] += share * term(double{target[o]}, double{prediction[o]}, o);
        }
    }
}

double squared(double x) { return x * x; }

double r2(const Predictions& predictions, const Targets& targets, MetricScratch& scratch) {
    if (predictions.rows < 2) return kUndefined;
    const auto outputs = static_cast<std::size_t>(predictions.outputs);
    const std::span<double> mean = std::span(scratch.sums).subspan(0, outputs);
    const std::span<double> residual = std::span(scratch.sums).subspan(outputs, outputs);
    const std::span<double> total = std::span(scratch.sums).subspan(2 * outputs, outputs);
    sum_rows(predictions, targets, mean, [](double target, double, std::size_t) { return target; });
    const double rows = weight_sum(predictions);
    for (double& each : mean) each /= rows;
    sum_rows(predictions, targets, residual, [](double y, double p, std::size_t) { return squared(y - p); });
    sum_rows(predictions, targets, total, [&](double y, double, std::size_t o) { return squared(y - mean[o]); });
    double sum = 0.0;
    for (std::size_t o = 0; o < outputs; ++o) {
        if (total[o] > 0.0) {
            sum += 1.0 - residual[o] / total[o];
        } else if (residual[o] == 0.0) {
            sum += 1.0;
        }
    }
    return sum / predictions.outputs;
}

// The mean over outputs of finish(mean error of that output), in units of the target.
template <typename Term, typename Finish>
double mean_error(const Predictions& predictions, const Targets& targets, MetricScratch& scratch, Term term,
                  Finish finish) {
    const std::span<double> sums = std::span(scratch.sums).first(static_cast<std::size_t>(predictions.outputs));
    sum_rows(predictions, targets, sums, [&](double y, double p, std::size_t) { return term(y - p); });
    const double rows = weight_sum(predictions);
    double sum = 0.0;
    for (std::size_t o = 0; o < sums.size(); ++o) {
        const double scale = targets.scale.empty() ? 1.0 : targets.scale[o];
        sum += scale * finish(sums[o] / rows);
    }
    return sum / predictions.outputs;
}

}  // namespace

Metric parse_metric(std::string_view text) {
    const auto found = std::ranges::find(kNames, text);
    if (found != kNames.end()) return static_cast<Metric>(found - kNames.begin());
    std::string names;
    for (const std::string_view each : kNames) names.append(names.empty() ? "" : ", ").append(each);
    throw std::invalid_argument("unknown metric '" + std::string(text) + "'; there are " + names);
}

std::string_view name(Metric metric) { return kNames[static_cast<std::size_t>(metric)]; }

bool classifies(Metric metric) { return metric <= Metric::auc; }

double score(Metric metric, const Predictions& predictions, std::span<const std::int32_t> labels, double log_loss,
             MetricScratch& scratch) {
    if (predictions.rows == 0 || !all_finite(predictions)) return kUndefined;
    scratch.sums.resize(3 * static_cast<std::size_t>(predictions.outputs));
    switch (metric) {
        case Metric::accuracy:
            return accuracy(predictions, labels);
        case Metric::log_loss:
            return -log_loss;
        case Metric::balanced_accuracy:
            return balanced_accuracy(predictions, labels, scratch);
        case Metric::auc:
            return auc(predictions, labels, scratch);
        default:
            throw std::invalid_argument(std::string(name(metric)) + " does not score a classification");
    }
}

double score(Metric metric, const Predictions& predictions, const Targets& targets, MetricScratch& scratch) {
    if (predictions.rows == 0 || !all_finite(predictions)) return kUndefined;
    scratch.sums.resize(3 * static_cast<std::size_t>(predictions.outputs));
    switch (metric) {
        case Metric::r2:
            return r2(predictions, targets, scratch);
        case Metric::rmse:
            return -mean_error(predictions, targets, scratch, squared, [](double x) { return std::sqrt(x); });
        case Metric::mae:
            return -mean_error(
                predictions, targets, scratch, [](double x) { return std::abs(x); }, [](double x) { return x; });
        default:
            throw std::invalid_argument(std::string(name(metric)) + " does not score a regression");
    }
}

}  // namespace ash
