#include "ash/train/evaluation.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ash/train/denormals.hpp"
#include "ash/train/propagation.hpp"

namespace ash {
namespace {

// The mean of a loss over rows, weighted by the row weights.
class MeanLoss {
  public:
    // Adds the loss term(r) of each row of `next`, where r counts from the first of these rows.
    template <typename Term>
    void add(const Rows& rows, Span next, Term term) {
        for (std::int64_t r = 0; r < next.count; ++r) {
            const auto row = static_cast<std::size_t>(next.first + r);
            const double weight = rows.weights.empty() ? 1.0 : double{rows.weights[row]};
            sum_ += weight * term(r);
            weights_ += weight;
        }
    }
    double mean() const { return sum_ / weights_; }
    double count() const { return weights_; }  // sum of row weights

  private:
    double sum_ = 0.0;
    double weights_ = 0.0;
};

// Computes the mean cross-entropy after multiplying all logits by a common factor. The factor is a power of 2^(1/4)
// from 1/4 to 8, chosen to minimize the cross-entropy. If there are few rows and all are predicted correctly, the
// largest factor would always win. So the choice also uses the prior of python/ash/models/model_pool.py: the
// factor's logarithm is normally distributed around 0.
class CalibratedLoss {
  public:
    // Adds the logits of the next rows. scratch: as large as the logits.
    void add(const Kernels& kernels, const Rows& rows, Span next, const float* logits, Block block, float* scratch) {
        std::array<float, kBlockRows> losses;
        for (int f = 0; f < kFactors; ++f) {
            const float factor = kRoots[f % 4] * static_cast<float>(1 << f / 4);
            for (std::int64_t i = 0; i < block.rows * block.stride; ++i) scratch[i] = factor * logits[i];
            kernels.softmax(scratch, rows.labels.data() + next.first, 0.0F, losses.data(), block);
            means_[f].add(rows, next, [&](std::int64_t r) { return double{losses[static_cast<std::size_t>(r)]}; });
        }
    }

    double mean() const {
        double best = std::numeric_limits<double>::quiet_NaN();  // NaN is returned if no loss is finite
        double lowest = std::numeric_limits<double>::infinity();
        for (int f = 0; f < kFactors; ++f) {
            const double octaves = f / 4.0 - 2.0;
            const double penalty = 0.5 * octaves * octaves / (kSpread * kSpread);
            const double mean = means_[f].mean();
            const double penalized = mean + penalty / means_[f].count();
            if (!(penalized < lowest)) continue;
            lowest = penalized;
            best = mean;
        }
        return best;
    }

  private:
    static constexpr std::array<float, 4> kRoots = {0.25F, 0.297301779F, 0.353553391F, 0.420448208F};
    static constexpr int kFactors = 21;
    static constexpr double kSpread = 0.5;  // standard deviation of the factor's prior, in octaves

    std::array<MeanLoss, kFactors> means_;
};

Truth truth_of(const Data& data) {
    const Rows& rows = data.validation();
    return {.rows = rows.count,
            .outputs = data.outputs(),
            .labels = rows.labels,
            .targets = {rows.targets.data(), rows.target_stride, data.units().scale, data.loss().level},
            .weights = rows.weights,
            .positive = data.positive()};
}

// Returns the mean of term(error) over the outputs of one row.
template <typename Term>
double mean_over_outputs(const float* predictions, const float* targets, int outputs, Term term) {
    double sum = 0.0;
    for (int o = 0; o < outputs; ++o) sum += term(static_cast<double>(predictions[o]) - targets[o]);
    return sum / outputs;
}

// Adds the losses, in Data::units(), of the next rows. scratch: [2][kBlockRows].
void add_losses(const Kernels& kernels, const Data& data, Span next, const float* predictions, std::int64_t stride,
                float* scratch, MeanLoss& mean) {
    const Rows& rows = data.validation();
    const float* targets = rows.targets.data() + next.first * rows.target_stride;
    if (data.loss().kind == Loss::poisson) {
        float* means = scratch + kBlockRows;
        for (std::int64_t r = 0; r < next.count; ++r) scratch[r] = targets[r * rows.target_stride];
        for (std::int64_t r = 0; r < next.count; ++r) means[r] = predictions[r * stride];
        poisson_deviances(kernels, scratch, means, next.count);
        mean.add(rows, next, [&](std::int64_t r) { return double{scratch[r]}; });
        return;
    }
    const double level = data.loss().level;
    const auto square = [](double error) { return error * error; };
    const auto pinball = [level](double error) { return error > 0.0 ? (1.0 - level) * error : -level * error; };
    mean.add(rows, next, [&](std::int64_t r) {
        const float* from = predictions + r * stride;
        const float* to = targets + r * rows.target_stride;
        return data.loss().kind == Loss::pinball ? mean_over_outputs(from, to, data.outputs(), pinball)
                                                 : mean_over_outputs(from, to, data.outputs(), square);
    });
}

// Converts network outputs to Data::units() in place. If `predictions` is not null, it receives the predicted targets
// in units of y, without padding.
template <typename Result>
void to_data_units(const Kernels& kernels, const Data& data, const OutputUnits& units, float* values, std::int64_t rows,
                   std::int64_t stride, Result* predictions) {
    const Scaling& own = data.units();
    to_targets(kernels, units, values, rows, stride, [&](std::int64_t r, std::int64_t o, double target) {
        const auto column = static_cast<std::size_t>(o);
        if (predictions != nullptr) *predictions++ = static_cast<Result>(target);
        // A value that was not clipped is already in Data::units(). It stays unchanged, so that it is not rounded
        // twice.
        if (units.link == Link::identity && target != units.least[column]) return;
        values[r * stride + o] = static_cast<float>((target - own.center[column]) / own.scale[column]);
    });
}

}  // namespace

template <typename Result>
Evaluation evaluate(const Data& data, const Settings& settings, const State& state, Metric metric,
                    const Kernels& kernels, const std::atomic<bool>* stop, Workspace& workspace, Result* predictions) {
    const FlushDenormals flush;
    const bool calibrates = metric == Metric::log_loss && settings.label_smoothing > 0.0;
    const Rows& rows = data.validation();
    const Layout& layout = state.layout;
    const Layer& last = layout.layers().back();
    copy_scaled(kernels, layout, state.weights.data(), workspace.copies.data());
    const PredictionScratch scratch{workspace.outputs.data(), workspace.numbers.data(), workspace.embedded.data(),
                                    workspace.copies.data()};
    float* results = workspace.predictions.data();
    const float* losses = workspace.losses.data();
    MeanLoss loss;
    CalibratedLoss calibrated;
    workspace.score.begin(metric, truth_of(data));
    for (Span next{0, 0}; next.first < rows.count; next.first += kBlockRows) {
        if (stop != nullptr && stop->load(std::memory_order_relaxed)) return {.stopped = true};
        next.count = std::min(kBlockRows, rows.count - next.first);
        const float* x = rows.block(next.first, next.count, workspace.inputs.data());
        predict(kernels, layout, state.weights.data(), data.numbers(), x, rows.stride, next.count, scratch, results);
        if (data.classes() > 0) {
            float* logits = results + kBlockRows * last.stride;
            if (calibrates) std::copy_n(results, next.count * last.stride, logits);
            kernels.softmax(results, rows.labels.data() + next.first, 0.0F, workspace.losses.data(),
                            {next.count, last.outputs, last.stride});
            loss.add(rows, next, [&](std::int64_t r) { return double{losses[r]}; });
            if (calibrates) {
                calibrated.add(kernels, rows, next, logits, {next.count, last.outputs, last.stride},
                               logits + kBlockRows * last.stride);
            }
        } else {
            const OutputUnits& units = data.output_units(layout.logarithms());
            to_data_units(kernels, data, units, results, next.count, last.stride, predictions);
            if (predictions != nullptr) predictions += next.count * last.outputs;
            add_losses(kernels, data, next, results, last.stride, results + kBlockRows * last.stride, loss);
        }
        workspace.score.add({results, next.count, last.outputs, last.stride});
        for (std::int64_t r = 0; data.classes() > 0 && predictions != nullptr && r < next.count; ++r)
            predictions = std::copy_n(results + r * last.stride, last.outputs, predictions);
    }
    const double unit = data.loss().kind == Loss::poisson ? data.units().scale.front() : 1.0;
    const double score = workspace.score.score(calibrates ? calibrated.mean() : unit * loss.mean(), stop);
    return {.score = score, .loss = loss.mean(), .stopped = stop != nullptr && *stop};
}

template Evaluation evaluate(const Data&, const Settings&, const State&, Metric, const Kernels&,
                             const std::atomic<bool>*, Workspace&, float*);
template Evaluation evaluate(const Data&, const Settings&, const State&, Metric, const Kernels&,
                             const std::atomic<bool>*, Workspace&, double*);

}  // namespace ash
