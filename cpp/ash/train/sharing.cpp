#include "ash/train/sharing.hpp"

#include <cstddef>

#include "ash/kernels/embedding.hpp"

namespace ash {

WeightCut::WeightCut(const Layout& layout) : layout_(layout) {
    std::size_t most = static_cast<std::size_t>(layout.embedding().numbers / embedding::kColumns + 1);
    for (const Layer& layer : layout.layers()) most += static_cast<std::size_t>(layer.inputs / kLineFloats + 1);
    blocks_.reserve(most);
}

std::span<const WeightBlock> WeightCut::blocks(int threads) {
    if (threads == threads_) return blocks_;
    threads_ = threads;
    blocks_.clear();
    std::int64_t weights = 0;
    for (const Layer& layer : layout_.layers()) weights += std::int64_t{layer.inputs} * layer.outputs;
    const std::int64_t share = weights / (std::int64_t{4} * threads);
    for (std::size_t l = 0; l < layout_.layers().size(); ++l) {
        const Layer& layer = layout_.layers()[l];
        const std::int64_t rows = std::min(padded_rows(share / layer.outputs), kBlockWeights);
        for (std::int64_t row = 0; row < layer.inputs; row += rows) {
            blocks_.push_back({l, {row, std::min<std::int64_t>(rows, layer.inputs - row)}});
        }
    }
    const std::int64_t numbers = layout_.embedding().numbers;
    for (std::int64_t first = 0; first < numbers; first += embedding::kColumns)
        blocks_.push_back({layout_.layers().size(), {first, std::min(embedding::kColumns, numbers - first)}});
    return blocks_;
}

}  // namespace ash
