// sharing.hpp: how a team cuts the two halves of a step into blocks. The cut changes waiting times, and no bit.
//
//     (1) rows of the batch     two blocks per thread, or as many as have 64 rows
//     (2) rows of weights       four blocks per thread, about equal in multiply-adds; the biases of a layer go with its
//                               last block; then 16 numbers of an embedding each
//
// More blocks than threads, because threads come late and leave early.
// Invariants: blocks begin on multiples of 16 rows: whole vectors of losses and of transposed weights, which run along
//             the rows, belong to one block each.
// Cost:       a cut is a few additions per layer, and is made again only when the size of the team has changed; it
//             allocates nothing after construction.

#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "ash/model/layout.hpp"
#include "ash/train/propagation.hpp"
#include "ash/train/workspace.hpp"

namespace ash {

// The least multiple of 16 that is greater than 0 and no less.
inline std::int64_t padded_rows(std::int64_t rows) {
    return std::max<std::int64_t>((rows + kLineFloats - 1) / kLineFloats, 1) * kLineFloats;
}

struct RowCut {
    std::int64_t rows;   // of the batch
    std::int64_t block;  // rows of all blocks but the last

    RowCut(std::int64_t batch, int threads) : rows(batch) {
        block = std::min(padded_rows(batch / (std::int64_t{2} * threads)), kBlockRows);
    }

    int count() const { return static_cast<int>((rows + block - 1) / block); }
    Span operator[](int number) const {
        const std::int64_t first = number * block;
        return {first, std::min(block, rows - first)};
    }
};

// Some rows of weights of one layer, or some numbers of the embedding, which counts as the layer after the last.
struct WeightBlock {
    std::size_t layer;
    Span rows;
};

class WeightCut {
  public:
    explicit WeightCut(const Layout& layout);

    // The blocks for a team of `threads`; valid until the next call.
    std::span<const WeightBlock> blocks(int threads);

  private:
    const Layout& layout_;
    int threads_ = 0;
    std::vector<WeightBlock> blocks_;
};

}  // namespace ash
