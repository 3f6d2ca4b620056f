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

#include "ash/data/require.hpp"

// The parts of sums_ for each metric; each part has [outputs] numbers unless noted:
//
//     accuracy              hits: the weight of correctly predicted rows (one number)
//     balanced_accuracy     hits and rows of each class
//     the f1s, matthews     hits, rows and predicted rows of each class
//     r2                    mean target; total and residual sums of squares
//     rmse, mae, pinball    sums of squared errors, of absolute errors or of pinball losses
//
// Rows are counted by weight. For r2, the mean target and the total sum of squares depend only on the targets, so
// begin() computes them before the first prediction.

namespace ash {

namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

constexpr std::array kMetrics = {
    MetricTraits{.metric = Metric::accuracy, .name = "accuracy", .classifies = true, .of_labels = true},
    MetricTraits{
        .metric = Metric::balanced_accuracy, .name = "balanced_accuracy", .classifies = true, .of_labels = true},
    MetricTraits{.metric = Metric::log_loss, .name = "neg_log_loss", .classifies = true},
    MetricTraits{.metric = Metric::auc, .name = "roc_auc", .classifies = true, .all_classes = true},
    MetricTraits{.metric = Metric::average_precision,
                 .name = "average_precision",
                 .classifies = true,
                 .of_positive = true,
                 .all_classes = true},
    MetricTraits{.metric = Metric::f1, .name = "f1", .classifies = true, .of_labels = true, .of_positive = true},
    MetricTraits{.metric = Metric::f1_macro, .name = "f1_macro", .classifies = true, .of_labels = true},
    MetricTraits{.metric = Metric::f1_weighted, .name = "f1_weighted", .classifies = true, .of_labels = true},
    MetricTraits{.metric = Metric::matthews, .name = "matthews_corrcoef", .classifies = true, .of_labels = true},
    MetricTraits{.metric = Metric::r2, .name = "r2"},
    MetricTraits{.metric = Metric::rmse, .name = "neg_root_mean_squared_error"},
    MetricTraits{.metric = Metric::mae, .name = "neg_mean_absolute_error"},
    MetricTraits{.metric = Metric::pinball, .name = "neg_mean_pinball_loss"},
    MetricTraits{.metric = Metric::poisson, .name = "neg_mean_poisson_deviance"},
};

constexpr bool is_in_order() {
    for (std::size_t i = 0; i < kMetrics.size(); ++i) {
        if (static_cast<std::size_t>(kMetrics[i].metric) != i) return false;
    }
    return true;
}
static_assert(is_in_order());

const MetricTraits& traits(Metric metric) { return kMetrics[static_cast<std::size_t>(metric)]; }

std::span<const float> row(const Predictions& predictions, std::int64_t r) {
    return {predictions.values + r * predictions.stride, static_cast<std::size_t>(predictions.outputs)};
}

const float* row(const Targets& targets, std::int64_t r) { return targets.values + r * targets.stride; }

// Without weights every row has weight 1. Sums of ones are exact, so such rows are counted exactly.
double weight(const Truth& truth, std::int64_t r) {
    return truth.weights.empty() ? 1.0 : double{truth.weights[static_cast<std::size_t>(r)]};
}

double weight_sum(const Truth& truth) {
    if (truth.weights.empty()) return static_cast<double>(truth.rows);
    double sum = 0.0;
    for (std::int64_t r = 0; r < truth.rows; ++r) sum += weight(truth, r);
    return sum;
}

// Returns whether all predictions are finite. Tests the exponent bits, since the compiler can vectorize this test.
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

// Calls count(label, weight, hit) for each row of `next`. hit: whether the label is the predicted class. first: the
// number of the first of these rows in `truth`.
template <typename Count>
void count_rows(const Truth& truth, const Predictions& next, std::int64_t first, Count count) {
    for (std::int64_t r = 0; r < next.rows; ++r) {
        const std::int32_t label = truth.labels[static_cast<std::size_t>(first + r)];
        count(static_cast<std::size_t>(label), weight(truth, first + r), predicted_class(row(next, r)) == label);
    }
}

double squared(double x) { return x * x; }

// sums[o] += weight * term(target, o) over all rows, in row order.
template <typename Term>
void sum_targets(const Truth& truth, std::span<double> sums, Term term) {
    for (std::int64_t r = 0; r < truth.rows; ++r) {
        const float* target = row(truth.targets, r);
        const double share = weight(truth, r);
        for (std::size_t o = 0; o < sums.size(); ++o) sums[o] += share * term(double{target[o]}, o);
    }
}

// sums[o] += weight * term(target - prediction) over the next rows, in row order.
template <typename Term>
void sum_errors(const Truth& truth, const Predictions& next, std::int64_t first, std::span<double> sums, Term term) {
    for (std::int64_t r = 0; r < next.rows; ++r) {
        const float* target = row(truth.targets, first + r);
        const std::span<const float> prediction = row(next, r);
        const double share = weight(truth, first + r);
        for (std::size_t o = 0; o < sums.size(); ++o) {
            sums[o] += share * term(double{target[o]} - double{prediction[o]});
        }
    }
}

bool ranks(Metric metric) { return metric == Metric::auc || metric == Metric::average_precision; }

// Returns the number of classes whose probabilities are ranked. Of two classes only one is ranked.
int ranked_classes(int outputs) { return outputs == 2 ? 1 : outputs; }

}  // namespace

Metric parse_metric(std::string_view text) {
    const auto found = std::ranges::find(kMetrics, text, &MetricTraits::name);
    if (found != kMetrics.end()) return found->metric;
    std::string names;
    for (const MetricTraits& each : kMetrics) names.append(names.empty() ? "" : ", ").append(each.name);
    throw std::invalid_argument("unknown metric '" + std::string(text) + "'; there are " + names);
}

std::span<const MetricTraits> all_metrics() { return kMetrics; }

std::string_view name(Metric metric) { return traits(metric).name; }

bool classifies(Metric metric) { return traits(metric).classifies; }

void poisson_deviances(const Kernels& kernels, float* targets, const float* predictions, std::int64_t count) {
    constexpr std::int64_t kPart = 64;
    std::array<float, kPart> log_targets;
    std::array<float, kPart> log_predictions;
    for (std::int64_t first = 0; first < count; first += kPart) {
        const std::int64_t part = std::min(kPart, count - first);
        kernels.elementary(Elementary::log, targets + first, log_targets.data(), part);
        kernels.elementary(Elementary::log, predictions + first, log_predictions.data(), part);
        for (std::int64_t i = 0; i < part; ++i) {
            const auto at = static_cast<std::size_t>(i);
            const double t = targets[first + i];
            const double p = predictions[first + i];
            const double log_ratio = double{log_targets[at]} - log_predictions[at];
            const double deviance = 2.0 * ((t > 0.0 ? t * log_ratio : 0.0) - t + p);
            targets[first + i] = static_cast<float>(p > 0.0 && t >= 0.0 ? deviance : kUndefined);
        }
    }
}

void RunningScore::begin(Metric metric, const Truth& truth) {
    const bool of_labels = classifies(metric);
    if (of_labels ? std::ssize(truth.labels) != truth.rows : truth.rows > 0 && truth.targets.values == nullptr) {
        throw std::invalid_argument(std::string(name(metric)) + " does not score a " +
                                    (of_labels ? "regression" : "classification"));
    }
    metric_ = metric;
    truth_ = truth;
    added_ = 0;
    finite_ = true;
    sums_.assign(3 * static_cast<std::size_t>(truth.outputs), 0.0);
    if (ranks(metric)) {
        require(truth.rows <= std::numeric_limits<std::uint32_t>::max(), "more than 2^32 - 1 rows to rank");
        const auto rows = static_cast<std::size_t>(truth.rows);
        ranked_.resize(static_cast<std::size_t>(ranked_classes(truth.outputs)) * rows);
        order_.resize(rows);
    }
    if (metric == Metric::r2) {
        const std::span<double> mean = sums(0);
        sum_targets(truth, mean, [](double y, std::size_t) { return y; });
        const double rows = weight_sum(truth);
        for (double& each : mean) each /= rows;
        sum_targets(truth, sums(1), [&](double y, std::size_t o) { return squared(y - mean[o]); });
    }
}

void RunningScore::add(const Predictions& next) {
    const std::int64_t first = added_;
    added_ += next.rows;
    finite_ = finite_ && all_finite(next);
    switch (metric_) {
        case Metric::log_loss:
            break;
        case Metric::accuracy:
            count_rows(truth_, next, first, [&](std::size_t, double weight, bool hit) {
                if (hit) sums_[0] += weight;
            });
            break;
        case Metric::balanced_accuracy:
            count_rows(truth_, next, first,
                       [hits = sums(0), rows = sums(1)](std::size_t label, double weight, bool hit) {
                           rows[label] += weight;
                           if (hit) hits[label] += weight;
                       });
            break;
        case Metric::f1:
        case Metric::f1_macro:
        case Metric::f1_weighted:
        case Metric::matthews:
            for (std::int64_t r = 0; r < next.rows; ++r) {
                const auto label = static_cast<std::size_t>(truth_.labels[static_cast<std::size_t>(first + r)]);
                const auto predicted = static_cast<std::size_t>(predicted_class(row(next, r)));
                const double share = weight(truth_, first + r);
                if (label == predicted) sums(0)[label] += share;
                sums(1)[label] += share;
                sums(2)[predicted] += share;
            }
            break;
        case Metric::auc:
        case Metric::average_precision:
            for (std::int64_t r = 0; r < next.rows; ++r) {
                float* to = ranked_.data() + first + r;
                const float* from = next.values + r * next.stride + first_ranked();
                for (int c = 0; c < ranked_classes(next.outputs); ++c, to += truth_.rows) *to = from[c];
            }
            break;
        case Metric::r2:
            sum_errors(truth_, next, first, sums(2), squared);
            break;
        case Metric::rmse:
            sum_errors(truth_, next, first, sums(0), squared);
            break;
        case Metric::mae:
            sum_errors(truth_, next, first, sums(0), [](double x) { return std::abs(x); });
            break;
        case Metric::pinball:
            sum_errors(truth_, next, first, sums(0),
                       [level = truth_.targets.level](double x) { return x >= 0.0 ? level * x : (level - 1.0) * x; });
            break;
        case Metric::poisson:
            break;
    }
}

double RunningScore::score(double mean_loss, const std::atomic<bool>* stop) {
    if (truth_.rows == 0 || !finite_) return kUndefined;
    switch (metric_) {
        case Metric::accuracy:
            return sums_[0] / weight_sum(truth_);
        case Metric::log_loss:
        case Metric::poisson:
            return -mean_loss;
        case Metric::balanced_accuracy:
            return balanced_accuracy();
        case Metric::auc:
            return mean_over_classes(&RunningScore::auc_of_class, stop);
        case Metric::average_precision:
            return mean_over_classes(&RunningScore::precision_of_class, stop);
        case Metric::f1:
        case Metric::f1_macro:
        case Metric::f1_weighted:
            return f1();
        case Metric::matthews:
            return matthews();
        case Metric::r2:
            return r2();
        case Metric::rmse:
            return -mean_error([](double x) { return std::sqrt(x); });
        case Metric::mae:
        case Metric::pinball:
            return -mean_error([](double x) { return x; });
    }
    return kUndefined;
}

std::int64_t RunningScore::bytes(Metric metric, std::int64_t rows, int outputs) {
    const auto of_sums = std::int64_t{3} * outputs * static_cast<std::int64_t>(sizeof(double));
    if (!ranks(metric)) return of_sums;
    const std::int64_t ranked = ranked_classes(outputs);
    return of_sums + rows * (ranked * static_cast<std::int64_t>(sizeof(float)) +
                             static_cast<std::int64_t>(sizeof(std::uint32_t)));
}

std::span<double> RunningScore::sums(int part) {
    const auto outputs = static_cast<std::size_t>(truth_.outputs);
    return std::span(sums_).subspan(static_cast<std::size_t>(part) * outputs, outputs);
}

int RunningScore::first_ranked() const {
    if (truth_.outputs != 2) return 0;
    return metric_ == Metric::auc ? 1 : truth_.positive;
}

double RunningScore::balanced_accuracy() {
    const std::span<const double> hits = sums(0);
    const std::span<const double> rows = sums(1);
    double recalls = 0.0;
    int present = 0;
    for (std::size_t c = 0; c < rows.size(); ++c) {
        if (rows[c] == 0.0) continue;
        recalls += hits[c] / rows[c];
        ++present;
    }
    return recalls / present;
}

double RunningScore::f1() {
    if (metric_ == Metric::f1 && truth_.outputs != 2) return kUndefined;
    const std::span<const double> hits = sums(0);
    const std::span<const double> rows = sums(1);
    const std::span<const double> predicted = sums(2);
    const auto of_class = [&](std::size_t c) {
        return hits[c] == 0.0 ? 0.0 : 2.0 * hits[c] / (rows[c] + predicted[c]);
    };
    if (metric_ == Metric::f1) return of_class(static_cast<std::size_t>(truth_.positive));
    double sum = 0.0;
    double total = 0.0;
    for (std::size_t c = 0; c < hits.size(); ++c) {
        const double share = metric_ == Metric::f1_weighted ? rows[c] : (rows[c] + predicted[c] > 0.0 ? 1.0 : 0.0);
        sum += share * of_class(c);
        total += share;
    }
    return sum / total;
}

double RunningScore::matthews() {
    const std::span<const double> rows = sums(1);
    const std::span<const double> predicted = sums(2);
    const std::span<const double> hits = sums(0);
    const double all = std::accumulate(rows.begin(), rows.end(), 0.0);
    const double right = std::accumulate(hits.begin(), hits.end(), 0.0);
    double covariance = all * right;
    double of_labels = all * all;
    double of_predictions = all * all;
    for (std::size_t c = 0; c < rows.size(); ++c) {
        covariance -= rows[c] * predicted[c];
        of_labels -= rows[c] * rows[c];
        of_predictions -= predicted[c] * predicted[c];
    }
    const double scale = std::sqrt(of_labels * of_predictions);
    return scale > 0.0 ? covariance / scale : 0.0;
}

double RunningScore::mean_over_classes(double (RunningScore::*of_class)(std::int32_t), const std::atomic<bool>* stop) {
    if (truth_.outputs == 2) return (this->*of_class)(first_ranked());
    double sum = 0.0;
    for (int c = 0; c < truth_.outputs; ++c) {
        if (stop != nullptr && *stop) return kUndefined;
        sum += (this->*of_class)(c);
    }
    return sum / truth_.outputs;
}

// Returns the rows by ascending probability of class `positive`. Ties are ordered by row number, so that the weights of
// tied rows are always added in the same order.
std::span<std::uint32_t> RunningScore::ranked(std::int32_t positive) {
    const float* value = ranked_.data() + (positive - first_ranked()) * truth_.rows;
    const std::span<std::uint32_t> order = std::span(order_).first(static_cast<std::size_t>(truth_.rows));
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
        return value[a] < value[b] || (value[a] == value[b] && a < b);
    });
    return order;
}

// Returns the area under the ROC curve of class `positive` against the rest: the share of pairs (one row of the class,
// one row of the rest) that the probability of the class ranks correctly. Ties count as half (Mann and Whitney 1947).
// Without weights, all sums are multiples of one half, so they are exact below 2^52.
double RunningScore::auc_of_class(std::int32_t positive) {
    const float* value = ranked_.data() + (positive - first_ranked()) * truth_.rows;
    const std::span<const std::uint32_t> order = ranked(positive);
    double positives = 0.0;
    double negatives = 0.0;
    double ordered = 0.0;  // correctly ranked pairs
    for (std::size_t first = 0, end = 0; first < order.size(); first = end) {
        double tied_positives = 0.0;
        double tied_negatives = 0.0;
        for (; end < order.size() && value[order[end]] == value[order[first]]; ++end) {
            const bool is_positive = truth_.labels[order[end]] == positive;
            (is_positive ? tied_positives : tied_negatives) += weight(truth_, order[end]);
        }
        ordered += tied_positives * (negatives + 0.5 * tied_negatives);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    return positives > 0.0 && negatives > 0.0 ? ordered / (positives * negatives) : kUndefined;
}

// Returns the mean precision over the rows of class `positive`. The precision of a row is the share of that class
// among all rows with at least the same probability of the class. The result equals the sum over thresholds of
// precision * (increase in recall).
double RunningScore::precision_of_class(std::int32_t positive) {
    const float* value = ranked_.data() + (positive - first_ranked()) * truth_.rows;
    const std::span<const std::uint32_t> order = ranked(positive);
    double positives = 0.0;
    double all = 0.0;
    double sum = 0.0;
    for (std::size_t last = order.size(), begin = order.size(); last > 0; last = begin) {
        double tied_positives = 0.0;
        for (; begin > 0 && value[order[begin - 1]] == value[order[last - 1]]; --begin) {
            const double share = weight(truth_, order[begin - 1]);
            if (truth_.labels[order[begin - 1]] == positive) tied_positives += share;
            all += share;
        }
        positives += tied_positives;
        sum += tied_positives * (positives / all);
    }
    return positives > 0.0 ? sum / positives : kUndefined;
}

double RunningScore::r2() {
    if (truth_.rows < 2) return kUndefined;
    const std::span<const double> total = sums(1);
    const std::span<const double> residual = sums(2);
    double sum = 0.0;
    for (std::size_t o = 0; o < total.size(); ++o) {
        if (total[o] > 0.0) {
            sum += 1.0 - residual[o] / total[o];
        } else if (residual[o] == 0.0) {
            sum += 1.0;
        }
    }
    return sum / truth_.outputs;
}

// Returns the mean over outputs of finish(mean error of that output), in units of the target.
double RunningScore::mean_error(double (*finish)(double)) {
    const std::span<const double> errors = sums(0);
    const double rows = weight_sum(truth_);
    double sum = 0.0;
    for (std::size_t o = 0; o < errors.size(); ++o) {
        const double scale = truth_.targets.scale.empty() ? 1.0 : truth_.targets.scale[o];
        sum += scale * finish(errors[o] / rows);
    }
    return sum / truth_.outputs;
}

}  // namespace ash
