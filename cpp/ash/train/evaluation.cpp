#include "ash/train/evaluation.hpp"

#include <algorithm>
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

  private:
    double sum_ = 0.0;
    double weights_ = 0.0;
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
    workspace.score.begin(metric, truth_of(data));
    for (Span next{0, 0}; next.first < rows.count; next.first += kBlockRows) {
        if (stop != nullptr && stop->load(std::memory_order_relaxed)) return {.stopped = true};
        next.count = std::min(kBlockRows, rows.count - next.first);
        predict(kernels, layout, state.weights.data(), data.numbers(), rows.x.data() + next.first * rows.stride,
                rows.stride, next.count, scratch, results);
        if (data.classes() > 0) {
            kernels.softmax(results, rows.labels.data() + next.first, 0.0F, workspace.losses.data(),
                            {next.count, last.outputs, last.stride});
            loss.add(rows, next, [&](std::int64_t r) { return double{losses[r]}; });
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
    const double score = workspace.score.score(loss.mean(), stop);
    return {.score = score, .loss = loss.mean(), .stopped = stop != nullptr && *stop};
}

}  // namespace ash
