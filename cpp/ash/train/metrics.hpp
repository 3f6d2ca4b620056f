// metrics.hpp: metrics that score predictions by one number; higher is better.
//
//     classification (labels and probabilities)         regression (targets and predictions)
//     accuracy, balanced_accuracy, log_loss             r2, rmse, mae, pinball loss, Poisson deviance
//     auc, average_precision, f1, f1_macro, f1_weighted
//     matthews
//
// The table of metrics in metrics.cpp is the only list of them: Python and the tests read it (all_metrics).
//
// Definitions: as in scikit-learn. Errors (log_loss, rmse, mae, ...) are negated. balanced_accuracy is the mean
//              recall over the classes that occur. With two classes, average_precision and f1 are those of the positive
//              class, and auc ranks the probability of class 1. With more classes, auc and average_precision are
//              unweighted means over classes, each against the rest. f1_macro is the unweighted mean of the F1 scores of the classes
//              that occur or are predicted, and f1_weighted is their mean weighted by rows per class. A class without a
//              correctly predicted row has an F1 score of 0. matthews is the correlation of true and predicted labels
//              (Gorodkin 2004), or 0 if all true or all predicted labels are of one class. r2 is the unweighted mean over outputs; a constant output
//              scores 1 if it is predicted exactly, else 0. rmse is the mean over outputs of each output's root mean
//              squared error; mae and pinball are means over outputs of each output's mean loss. A row of weight w
//              counts as w rows.
// Order:       the predicted class is the first class with the highest probability. Sums are computed in double, in row
//              order or, for auc and average_precision, in the order of the ranked probabilities. So a score depends
//              only on its arguments. auc counts a pair of tied rows as half correct, so the order of tied rows does
//              not matter.
// Blocks:      predictions arrive block by block, in row order. The division into blocks changes no bit of the score,
//              since it does not change the order of any additions.
// Undefined:   any score is NaN if there are no rows or a prediction is not finite. r2 is also NaN if there is one row,
//              auc if a class has no rows or all rows, average_precision if a ranked class has no rows, f1 unless
//              there are two classes, and the Poisson deviance if a prediction is not above 0 or a target is below 0.
// Threads:     none. A running score belongs to one thread.
// Cost:        O(rows * outputs); auc and average_precision O(rows log rows * outputs). Only these two keep
//              predictions, which they rank: 4 bytes per row for each ranked class, plus 4 bytes per row for the order.
//              Nothing is allocated if the running score has already been used for this metric with at least as many
//              rows and outputs.

#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ash/kernels/kernels.hpp"

namespace ash {

enum class Metric : std::uint8_t {
    accuracy,
    balanced_accuracy,
    log_loss,
    auc,
    average_precision,
    f1,
    f1_macro,
    f1_weighted,
    matthews,
    r2,
    rmse,
    mae,
    pinball,
    poisson
};

struct MetricTraits {
    Metric metric;
    std::string_view name;     // that of scikit-learn's scorer; errors begin with "neg_"
    bool classifies = false;   // whether it scores a classification
    bool of_labels = false;    // whether it scores predicted labels instead of probabilities
    bool of_positive = false;  // of two classes, whether it scores one of them, the positive class
    bool all_classes = false;  // whether it is undefined on rows without one of the classes
};

// All metrics in the order of the enumerators. The first metric of each task is its default.
std::span<const MetricTraits> all_metrics();

// Throws std::invalid_argument, with the list of valid names, if no metric has this name.
Metric parse_metric(std::string_view name);
std::string_view name(Metric metric);
bool classifies(Metric metric);

// Predictions of a block of rows: output o of row r is values[r * stride + o].
struct Predictions {
    const float* values;
    std::int64_t rows;
    int outputs;
    std::int64_t stride;
};

// The true values of a regression: output o of row r is values[r * stride + o].
struct Targets {
    const float* values = nullptr;
    std::int64_t stride = 0;
    std::span<const double> scale = {};  // [outputs]: factors on the errors; empty if all are 1
    double level = 0.5;                  // quantile level of the pinball loss
};

// The true labels or targets of all scored rows.
struct Truth {
    std::int64_t rows;
    int outputs;
    std::span<const std::int32_t> labels = {};  // [rows] for classification, each in 0..outputs-1; else empty
    Targets targets = {};                       // for regression
    std::span<const float> weights = {};        // [rows], above zero; empty if all rows have weight 1
    int positive = 1;                           // of two classes, the class of f1 and average_precision
};

// targets[i] := 2 (t log(t / p) - t + p), the Poisson deviance of the prediction p = predictions[i] for the target
// t = targets[i], with the logarithm of the kernels. The result is NaN if p is not above 0 or t is below 0.
void poisson_deviances(const Kernels& kernels, float* targets, const float* predictions, std::int64_t count);

class RunningScore {
  public:
    // Starts a score. The arrays that `truth` points to are read until score() returns. Throws std::invalid_argument
    // for a metric of the wrong task (classification or regression), and for more than 2^32 - 1 rows if the metric is
    // auc or average_precision, since they cannot rank more rows.
    void begin(Metric metric, const Truth& truth);

    // Adds the predictions of the next rows. REQUIRES: `next` has as many outputs as the truth, and all predictions
    // together have at most as many rows as the truth.
    void add(const Predictions& next);

    // REQUIRES: all rows were added. mean_loss: for log_loss, the (weighted) mean of -log(probability of the label);
    // for the Poisson deviance, its mean in units of the target. The caller computes mean_loss with its own
    // logarithm, and score() only negates it. All other metrics ignore it.
    // stop: with more than two classes, auc and average_precision read the flag before they rank each class, and
    // score() returns NaN once it is set. Ranking a million rows takes about 0.1 s per class.
    double score(double mean_loss, const std::atomic<bool>* stop = nullptr);

    // Returns the maximum number of bytes that a running score allocates for this metric.
    static std::int64_t bytes(Metric metric, std::int64_t rows, int outputs);

  private:
    std::span<double> sums(int part);  // one of the three parts of sums_, [outputs]
    int first_ranked() const;          // the first class whose probabilities are ranked
    double balanced_accuracy();
    double f1();
    double matthews();
    double mean_over_classes(double (RunningScore::*of_class)(std::int32_t), const std::atomic<bool>* stop);
    std::span<std::uint32_t> ranked(std::int32_t positive);
    double auc_of_class(std::int32_t positive);
    double precision_of_class(std::int32_t positive);
    double r2();
    double mean_error(double (*finish)(double));

    Metric metric_ = Metric::accuracy;
    Truth truth_{};
    std::int64_t added_ = 0;  // number of rows whose predictions were added
    bool finite_ = true;      // whether all predictions so far were finite
    std::vector<double> sums_;
    std::vector<float> ranked_;         // for auc and average_precision: [ranked classes][rows]
    std::vector<std::uint32_t> order_;  // [rows]: rows sorted by probability of one ranked class
};

}  // namespace ash
