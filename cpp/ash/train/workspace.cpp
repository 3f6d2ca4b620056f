#include "ash/train/workspace.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>

#include "ash/kernels/embedding.hpp"

namespace ash {
namespace {

// Enlarges a buffer if necessary. The contents are discarded first, so that the old and the new buffer never exist at
// the same time.
void grow(AlignedFloats& floats, std::int64_t size) {
    if (floats.size() >= size) return;
    floats = {};
    floats = AlignedFloats(size);
}

template <typename T>
void grow(std::vector<T>& values, std::int64_t size) {
    if (std::ssize(values) >= size) return;
    values = {};
    values.resize(static_cast<std::size_t>(size));
}

std::int64_t gradient_floats(const Layout& layout) {
    std::int64_t widest = 0;
    for (const Layer& layer : layout.layers()) widest = std::max(widest, layer.stride);
    return std::max(kBlockWeights * widest, embedding::kRows * embedding::kColumns);
}

// Returns the number of floats for the rounded factors of the largest product of a block of rows or of weights.
std::int64_t rounded_floats(const Layout& layout) {
    std::int64_t most = 0;
    for (const Layer& layer : layout.layers()) {
        if (!layer.rounded) continue;
        most = std::max({most, bfloat16_scratch(kBlockRows, layer.outputs, layer.inputs),
                         bfloat16_scratch(kBlockRows, layer.inputs, layer.outputs),
                         bfloat16_scratch(kBlockWeights, layer.outputs, kBlockTerms)});
    }
    return most;
}

EpochCut epochs_of(const Settings& settings, const TableSize& table) {
    return settings.batch_size == 0 ? EpochCut(table.training_rows, 0) : table.epochs;
}

std::int64_t batch_rows(const Settings& settings, const TableSize& table) {
    const std::int64_t rows = epochs_of(settings, table).rows();
    return settings.batch_size == 0 ? rows : std::min(settings.batch_size, rows);
}

}  // namespace

TableSize size_of(const Data& data) {
    return {.shape = data.shape(),
            .classifies = data.classes() > 0,
            .weighted = !data.training().weights.empty(),
            .training_rows = data.training().count,
            .epochs = data.epochs()};
}

EpochCut epochs_of(const Settings& settings, const Data& data) { return epochs_of(settings, size_of(data)); }

std::int64_t batch_rows(const Settings& settings, const Data& data) { return batch_rows(settings, size_of(data)); }

Workspace::Workspace(const Data& data, std::span<const Settings> candidates) {
    for (const Settings& settings : candidates) prepare(data, settings);
}

// Calls take(buffer, number of elements needed) for each buffer, always in the same order.
template <typename Take>
void Workspace::each_buffer(const TableSize& table, const Settings& settings, Take take) {
    const Layout layout(table.shape, settings);
    const std::int64_t batch = std::max(batch_rows(settings, table), kBlockRows);
    const bool whole = settings.batch_size == 0;
    const std::int64_t all = batch * layout.row_floats();
    const std::int64_t parametric = layout.layers().front().parametric ? all : 0;
    const std::int64_t embedded_stride = layout.embeds() ? padded(layout.layers().front().inputs) : 0;
    const std::int64_t outputs_stride = padded(table.shape.outputs);
    take(inputs, whole ? 0 : batch * padded(table.shape.features));
    take(outputs, all);
    take(deltas, all);
    take(slopes, parametric);
    take(excesses, parametric);
    take(targets, table.classifies ? 0 : batch * outputs_stride);
    take(numbers, batch * layout.embedding().stride);
    take(embedded, batch * embedded_stride);
    take(input_deltas, layout.embeds() ? batch * embedded_stride + kLineFloats : 0);
    take(copies, layout.copies_size());
    take(gradient, gradient_floats(layout));
    take(rounded, rounded_floats(layout));
    take(losses, padded(batch));  // one loss per row, in whole cache lines
    take(predictions, 3 * kBlockRows * outputs_stride);
    take(labels, table.classifies ? batch : 0);
    take(weights, table.weighted ? batch : 0);
    take(order, whole ? 0 : table.training_rows);
}

void Workspace::grow_to(const TableSize& table, const Settings& settings) {
    each_buffer(table, settings, [](auto& buffer, std::int64_t size) { grow(buffer, size); });
}

void Workspace::prepare(const Data& data, const Settings& settings) { grow_to(size_of(data), settings); }

void Workspace::prepare_to_score(const Data& data, const Settings& settings) {
    TableSize table = size_of(data);
    table.training_rows = 0;
    table.epochs = {};
    grow_to(table, settings);
}

void Workspace::prepare_to_help(const Layout& layout) {
    grow(gradient, gradient_floats(layout));
    grow(rounded, rounded_floats(layout));
}

std::int64_t workspace_bytes(const TableSize& table, std::span<const Settings> candidates) {
    std::array<double, 17> most{};  // for each buffer, the maximum of the bytes that the candidates need
    for (const Settings& settings : candidates) {
        std::size_t number = 0;
        Workspace().each_buffer(table, settings, [&](auto& buffer, std::int64_t size) {
            double& bytes = most.at(number++);
            bytes = std::max(bytes, static_cast<double>(size) * static_cast<double>(sizeof(*buffer.data())));
        });
    }
    const double sum = std::accumulate(most.begin(), most.end(), 0.0);
    return static_cast<std::int64_t>(std::min(sum, 0x1.0p62));  // 2^62 bytes are more than any machine has
}

}  // namespace ash
