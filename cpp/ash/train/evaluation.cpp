#include "ash/train/evaluation.hpp"

#include <algorithm>

#include "ash/train/denormals.hpp"
#include "ash/train/propagation.hpp"

namespace ash {
namespace {

double weight(const Rows& rows, std::int64_t row) {
    return rows.weights.empty() ? 1.0 : double{rows.weights[static_cast<std::size_t>(row)]};
}

// The mean over rows of loss(row), each as often as it counts.
template <typename Loss>
double mean_loss(const Rows& rows, Loss loss) {
    double sum = 0.0;
    double weights = 0.0;
    for (std::int64_t row = 0; row < rows.count; ++row) {
        sum += weight(rows, row) * loss(row);
        weights += weight(rows, row);
    }
    return sum / weights;
}

// Of the standardized targets, over outputs.
double squared_error(const Rows& rows, int outputs, const float* predictions, std::int64_t row) {
    double sum = 0.0;
    for (int o = 0; o < outputs; ++o) {
        const double error = static_cast<double>(predictions[row * rows.target_stride + o]) -
                             rows.targets.data()[row * rows.target_stride + o];
        sum += error * error;
    }
    return sum / outputs;
}

Evaluation classification(const Data& data, Metric metric, Workspace& workspace) {
    const Rows& rows = data.validation();
    const double loss = mean_loss(rows, [&](std::int64_t row) { return double{workspace.losses.data()[row]}; });
    return {.score = score(metric, predictions_of(data, workspace), rows.labels, loss, workspace.metric), .loss = loss};
}

Evaluation regression(const Data& data, Metric metric, Workspace& workspace) {
    const Rows& rows = data.validation();
    const float* predictions = workspace.predictions.data();
    const Targets targets{rows.targets.data(), rows.target_stride, data.targets().scale};
    const auto error = [&](std::int64_t row) { return squared_error(rows, data.outputs(), predictions, row); };
    return {.score = score(metric, predictions_of(data, workspace), targets, workspace.metric),
            .loss = mean_loss(rows, error)};
}

}  // namespace

Predictions predictions_of(const Data& data, const Workspace& workspace) {
    const Rows& rows = data.validation();
    return {workspace.predictions.data(), rows.count, data.outputs(), rows.target_stride, rows.weights};
}

Evaluation evaluate(const Data& data, const State& state, Metric metric, const Kernels& kernels,
                    const std::atomic<bool>* stop, Workspace& workspace) {
    const FlushDenormals flush;
    const Rows& rows = data.validation();
    const Layer& last = state.layout.layers().back();
    const Layout& layout = state.layout;
    copy_scaled(kernels, layout, state.weights.data(), workspace.copies.data());
    const PredictionScratch scratch{workspace.outputs.data(), workspace.numbers.data(), workspace.embedded.data(),
                                    workspace.copies.data()};
    for (std::int64_t row = 0; row < rows.count; row += kBlockRows) {
        if (stop != nullptr && stop->load(std::memory_order_relaxed)) return {.stopped = true};
        const std::int64_t count = std::min(kBlockRows, rows.count - row);
        float* results = workspace.predictions.data() + row * last.stride;
        predict(kernels, layout, state.weights.data(), data.numbers(), rows.x.data() + row * rows.stride, rows.stride,
                count, scratch, results);
        if (data.classes() == 0) continue;
        kernels.softmax(results, rows.labels.data() + row, 0.0F, workspace.losses.data() + row,
                        {count, last.outputs, last.stride});
    }
    return data.classes() > 0 ? classification(data, metric, workspace) : regression(data, metric, workspace);
}

}  // namespace ash
