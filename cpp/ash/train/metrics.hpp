// metrics.hpp: metrics, which score predictions by one number; higher is better.
//
//     classification (class numbers; probabilities)     regression (floats; floats)
//     accuracy, balanced_accuracy, log_loss             r2, rmse, mae, pinball loss, Poisson deviance
//     auc, average_precision, f1 and its two means
//
// Definitions: those of scikit-learn. Errors (log_loss, rmse, mae, ...) are negated. balanced_accuracy is the mean recall of
//              the classes that occur. auc with two classes ranks the probability of class 1; with more it is the plain
//              mean over classes of one against the rest; average_precision likewise. f1 is that of class 1 of two,
//              f1_macro the plain mean over the classes that occur or are predicted, f1_weighted that by their rows; the f1
//              of a class without a hit is 0. r2 is the plain mean over outputs; a constant output scores 1 when it is
//              met exactly, else 0. rmse is the mean of the outputs' own roots, mae of their means, pinball likewise. A
//              row of weight w counts as w rows.
// Order:       the predicted class is the first one of the highest probability. Sums run in double, in order of rows,
//              so a score depends only on its arguments. auc counts a tie as half, by ranks, so the order in which the
//              sort leaves ties does not matter.
// Blocks:      predictions come block by block, in order of rows. How they are cut does not matter to a bit, as each sum
//              is one chain of additions in that order.
// Undefined:   the score is NaN without rows; r2 for one row; auc if a class has no row or all; average_precision if a
//              class has none; f1 for more than two classes; and if a prediction is not finite.
// Threads:     none. A running score belongs to one thread.
// Cost:        O(rows * outputs), auc and average_precision O(rows log rows * outputs). These two keep what they rank, 4
//              bytes per row for each class that they rank by and 4 more; the others keep no prediction. Nothing is
//              allocated once the running score has served as many rows and outputs.

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
    log_loss,
    balanced_accuracy,
    auc,
    average_precision,
    f1,
    f1_macro,
    f1_weighted,
    r2,
    rmse,
    mae,
    pinball,
    poisson
};

// Throws std::invalid_argument that lists the valid names.
Metric parse_metric(std::string_view name);
std::string_view name(Metric metric);
bool classifies(Metric metric);

// Some rows: row r, output o is values[r * stride + o].
struct Predictions {
    const float* values;
    std::int64_t rows;
    int outputs;
    std::int64_t stride;
};

// What is to be predicted in a regression: row r, output o is values[r * stride + o].
struct Targets {
    const float* values = nullptr;
    std::int64_t stride = 0;
    std::span<const double> scale = {};  // [outputs]: by which errors are multiplied; empty: 1
    double level = 0.5;                  // of the pinball loss
};

// All rows that are scored.
struct Truth {
    std::int64_t rows;
    int outputs;
    std::span<const std::int32_t> labels = {};  // [rows] of a classification, each in 0..outputs-1; else empty
    Targets targets = {};                       // of a regression
    std::span<const float> weights = {};        // [rows], above zero; empty: all alike
};

// targets[i] := 2 (t log(t / p) - t + p), the Poisson deviance of prediction i; logarithms are those of the kernels.
// NaN for a prediction that is not above 0, or a target below 0.
void poisson_deviances(const Kernels& kernels, float* targets, const float* predictions, std::int64_t count);

class RunningScore {
  public:
    // Refers to the truth until score(). Throws std::invalid_argument for a metric of the other task, and for more rows
    // than auc and average_precision can rank, which are 2^32 - 1.
    void begin(Metric metric, const Truth& truth);

    // The next rows. REQUIRES: as many outputs as the truth has, and no more rows.
    void add(const Predictions& next);

    // REQUIRES: all rows were added. mean_loss is computed by the caller, with its own logarithm: the (weighted) mean of
    // -log(probability of the label), or the Poisson deviance in units of the target; it is only negated here. The other
    // metrics do not read it.
    // stop: once set, score() soon returns NaN; ranking a million rows takes some 0.1 s per class.
    double score(double mean_loss, const std::atomic<bool>* stop = nullptr);

    // The most bytes that it allocates for a metric.
    static std::int64_t bytes(Metric metric, std::int64_t rows, int outputs);

  private:
    std::span<double> sums(int part);  // [outputs], one of three parts
    double balanced_accuracy();
    double f1();
    double mean_over_classes(double (RunningScore::*of_class)(std::int32_t), const std::atomic<bool>* stop);
    std::span<std::uint32_t> ranked(std::int32_t positive);
    double auc_of_class(std::int32_t positive);
    double precision_of_class(std::int32_t positive);
    double r2();
    double mean_error(double (*finish)(double));

    Metric metric_ = Metric::accuracy;
    Truth truth_{};
    std::int64_t added_ = 0;  // rows
    bool finite_ = true;      // all predictions so far
    std::vector<double> sums_;
    std::vector<float> ranked_;         // auc, average_precision: [classes that they rank by][rows]
    std::vector<std::uint32_t> order_;  // of these: [rows]
};

}  // namespace ash
