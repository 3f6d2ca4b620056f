#include "ash/train/evaluation.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "ash/train/denormals.hpp"
#include "ash/train/propagation.hpp"

namespace ash {
namespace {

// The mean over rows of a loss, each as often as it counts.
class MeanLoss {
  public:
    // loss(r) of the next rows.
    template <typename Loss>
    void add(const Rows& rows, Span next, Loss loss) {
        for (std::int64_t r = 0; r < next.count; ++r) {
            const auto row = static_cast<std::size_t>(next.first + r);
            const double weight = rows.weights.empty() ? 1.0 : double{rows.weights[row]};
            sum_ += weight * loss(r);
            weights_ += weight;
        }
    }
    double mean() const { return sum_ / weights_; }
    double count() const { return weights_; }  // of rows

  private:
    double sum_ = 0.0;
    double weights_ = 0.0;
};

// The mean cross-entropy of logits times the factor that suits it best: of the powers of sqrt(2) from 1/4 to 4, and of
// the parabola through the best of them and its neighbors. Few rows that are all right would ask for the largest factor,
// so factors have the prior of python/ash/models/model_pool.py: normal, around 1.
class CalibratedLoss {
  public:
    // The logits of the next rows, and their losses as they are. scratch: as large as the logits.
    void add(const Kernels& kernels, const Rows& rows, Span next, const float* logits, Block block, const float* losses,
             float* scratch) {
        const std::int32_t* labels = rows.labels.data() + next.first;
        std::array<float, kBlockRows> scaled;
        for (std::size_t f = 0; f < kFactors.size(); ++f) {
            if (f == kOne) {
                means_[f].add(rows, next, [&](std::int64_t r) { return double{losses[r]}; });
                continue;
            }
            for (std::int64_t i = 0; i < block.rows * block.stride; ++i) scratch[i] = kFactors[f] * logits[i];
            kernels.softmax(scratch, labels, 0.0F, scaled.data(), block);
            means_[f].add(rows, next, [&](std::int64_t r) { return double{scaled[static_cast<std::size_t>(r)]}; });
        }
    }

    double mean() const {
        std::array<double, kFactors.size()> means;
        std::array<double, kFactors.size()> penalized;
        for (std::size_t f = 0; f < kFactors.size(); ++f) {
            const double away = (double{kFactors[f]} - 1.0) / kSpread;
            means[f] = means_[f].mean();
            penalized[f] = means[f] + 0.5 * away * away / means_[f].count();
        }
        const auto at = static_cast<std::size_t>(std::ranges::min_element(penalized) - penalized.begin());
        if (at == 0 || at + 1 == means.size()) return means[at];
        const auto slope = [at](const auto& of) { return 0.5 * (of[at + 1] - of[at - 1]); };
        const auto curvature = [at](const auto& of) { return of[at + 1] - 2.0 * of[at] + of[at - 1]; };
        if (!(curvature(penalized) > 0.0)) return means[at];
        const double step = -slope(penalized) / curvature(penalized);
        return means[at] + step * (slope(means) + 0.5 * step * curvature(means));
    }

  private:
    static constexpr std::array<float, 9> kFactors = {0.25F,       0.35355339F, 0.5F,        0.70710678F, 1.0F,
                                                      1.41421356F, 2.0F,        2.82842712F, 4.0F};
    static constexpr std::size_t kOne = 4;
    static constexpr double kSpread = 0.5;

    std::array<MeanLoss, kFactors.size()> means_;
};

Truth truth_of(const Data& data) {
    const Rows& rows = data.validation();
    return {.rows = rows.count,
            .outputs = data.outputs(),
            .labels = rows.labels,
            .targets = {rows.targets.data(), rows.target_stride, data.targets().scale},
            .weights = rows.weights};
}

// Of the standardized targets, over outputs.
double squared_error(const float* predictions, const float* targets, int outputs) {
    double sum = 0.0;
    for (int o = 0; o < outputs; ++o) {
        const double error = static_cast<double>(predictions[o]) - targets[o];
        sum += error * error;
    }
    return sum / outputs;
}

}  // namespace

Evaluation evaluate(const Data& data, const State& state, Metric metric, const Kernels& kernels,
                    const std::atomic<bool>* stop, Workspace& workspace, float* predictions) {
    const FlushDenormals flush;
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
        predict(kernels, layout, state.weights.data(), data.numbers(), rows.x.data() + next.first * rows.stride,
                rows.stride, next.count, scratch, results);
        if (data.classes() > 0) {
            float* logits = results + kBlockRows * last.stride;
            if (metric == Metric::log_loss) std::copy_n(results, next.count * last.stride, logits);
            kernels.softmax(results, rows.labels.data() + next.first, 0.0F, workspace.losses.data(),
                            {next.count, last.outputs, last.stride});
            loss.add(rows, next, [&](std::int64_t r) { return double{losses[r]}; });
            if (metric == Metric::log_loss) {
                calibrated.add(kernels, rows, next, logits, {next.count, last.outputs, last.stride}, losses,
                               logits + kBlockRows * last.stride);
            }
        } else {
            const float* targets = rows.targets.data() + next.first * rows.target_stride;
            loss.add(rows, next, [&](std::int64_t r) {
                return squared_error(results + r * last.stride, targets + r * rows.target_stride, last.outputs);
            });
        }
        workspace.score.add({results, next.count, last.outputs, last.stride});
        for (std::int64_t r = 0; predictions != nullptr && r < next.count; ++r)
            predictions = std::copy_n(results + r * last.stride, last.outputs, predictions);
    }
    const double score = workspace.score.score(metric == Metric::log_loss ? calibrated.mean() : loss.mean(), stop);
    return {.score = score, .loss = loss.mean(), .stopped = stop != nullptr && *stop};
}

}  // namespace ash
