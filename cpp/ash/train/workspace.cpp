#include "ash/train/workspace.hpp"

#include <algorithm>

#include "ash/kernels/embedding.hpp"

namespace ash {
namespace {

void grow(AlignedFloats& floats, std::int64_t size) {
    if (floats.size() < size) floats = AlignedFloats(size);
}

template <typename T>
void grow(std::vector<T>& values, std::int64_t size) {
    if (static_cast<std::int64_t>(values.size()) < size) values.resize(static_cast<std::size_t>(size));
}

}  // namespace

EpochCut epochs_of(const Settings& settings, const Data& data) {
    return settings.batch_size == 0 ? EpochCut(data.training().count, 0) : data.epochs();
}

std::int64_t batch_rows(const Settings& settings, const Data& data) {
    const std::int64_t rows = epochs_of(settings, data).rows();
    return settings.batch_size == 0 ? rows : std::min(settings.batch_size, rows);
}

Workspace::Workspace(const Data& data, std::span<const Settings> candidates) {
    for (const Settings& settings : candidates) prepare(data, settings);
}

void Workspace::prepare(const Data& data, const Settings& settings) {
    const Rows& training = data.training();
    const Layout layout(data.shape(), settings);
    const std::int64_t batch = std::max(batch_rows(settings, data), kBlockRows);
    if (settings.batch_size != 0) grow(inputs, batch * training.stride);
    grow(outputs, batch * layout.row_floats());
    grow(deltas, batch * layout.row_floats());
    if (layout.layers().front().parametric) {
        grow(slopes, batch * layout.row_floats());
        grow(excesses, batch * layout.row_floats());
    }
    grow(copies, layout.copies_size());
    if (layout.embeds()) prepare_embedding(layout, batch);
    prepare_to_help(layout);
    // The logarithm of a block of losses works on whole vectors.
    grow(losses, padded(std::max(batch, data.validation().count)));
    grow(predictions, data.validation().count * padded(data.outputs()));
    if (data.classes() > 0) {
        grow(labels, batch);
    } else {
        grow(targets, batch * training.target_stride);
    }
    if (!training.weights.empty()) grow(weights, batch);
    if (settings.batch_size != 0) grow(order, training.count);
}

void Workspace::prepare_embedding(const Layout& layout, std::int64_t rows) {
    const std::int64_t stride = padded(layout.layers().front().inputs);
    grow(numbers, rows * layout.embedding().stride);
    grow(embedded, rows * stride);
    grow(input_deltas, rows * stride + kLineFloats);
}

void Workspace::prepare_to_help(const Layout& layout) {
    std::int64_t widest = 0;
    for (const Layer& layer : layout.layers()) widest = std::max(widest, layer.stride);
    grow(gradient, std::max(kBlockWeights * widest, embedding::kRows * embedding::kColumns));
}

}  // namespace ash
