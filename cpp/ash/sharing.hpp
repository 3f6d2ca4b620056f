// sharing.hpp: how a team cuts the two halves of a step into blocks. The cut decides who waits for whom, and no bit.
//
//     (1) rows of the batch     two blocks a thread
//     (2) rows of weights       four blocks a thread, about equal in multiply-adds; the biases of a layer go with its
//                               last block
//
// More blocks than threads, because threads come late and leave early.
// Invariants: blocks begin on multiples of 16 rows: whole vectors of losses and of transposed weights, which run along
//             the rows, belong to one block each.
// Cost:       a cut is a few additions a layer, and is made again only when the size of the team has changed; it
//             allocates nothing after construction.

#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "ash/layout.hpp"
#include "ash/propagation.hpp"
#include "ash/workspace.hpp"

namespace ash {

// The least multiple of 16 that is greater than 0 and no less.
inline std::int64_t padded_rows(std::int64_t rows) {
    return std::max<std::int64_t>((rows + kLineFloats - 1) / kLineFloats, 1) * kLineFloats;
}

struct RowCut {
    std::int64_t rows;  // of the batch
    std::int64_t block;

    RowCut(std::int64_t batch, int threads) : rows(batch) {
        constexpr std::int64_t kMostBlocks = 1 << 15;  // what a team can count, and half of it
        const std::int64_t cached = std::min(padded_rows(batch / (2 * threads)), kBlockRows);
        block = std::max(cached, padded_rows(batch / kMostBlocks));
    }

    int count() const { return static_cast<int>((rows + block - 1) / block); }
    Span operator[](int number) const {
        const std::int64_t first = number * block;
        return {first, std::min(block, rows - first)};
    }
};

struct WeightBlock {
    std::size_t layer;
    Span rows;
};

class WeightCut {
  public:
    explicit WeightCut(const Layout& layout) : layout_(layout) {
        std::size_t most = 0;
        for (const Layer& layer : layout.layers()) most += static_cast<std::size_t>(layer.inputs / kLineFloats + 1);
        blocks_.reserve(most);
    }

    std::span<const WeightBlock> blocks(int threads) {
        if (threads != threads_) cut(threads);
        return blocks_;
    }

  private:
    void cut(int threads) {
        threads_ = threads;
        blocks_.clear();
        std::int64_t weights = 0;
        for (const Layer& layer : layout_.layers()) weights += std::int64_t{layer.inputs} * layer.outputs;
        const std::int64_t share = weights / (4 * threads);
        for (std::size_t l = 0; l < layout_.layers().size(); ++l) {
            const Layer& layer = layout_.layers()[l];
            const std::int64_t rows = std::min(padded_rows(share / layer.outputs), kBlockWeights);
            for (std::int64_t row = 0; row < layer.inputs; row += rows)
                blocks_.push_back({l, {row, std::min<std::int64_t>(rows, layer.inputs - row)}});
        }
    }

    const Layout& layout_;
    int threads_ = 0;
    std::vector<WeightBlock> blocks_;
};

}  // namespace ash
