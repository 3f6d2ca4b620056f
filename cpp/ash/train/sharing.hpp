// sharing.hpp: divides a training step into blocks for the threads of a team. The division affects waiting times but no
// result. A step has two halves, (1) and (2) in trainer.hpp, and each half is divided by rows:
//
//     (1) forward and backward: rows of the batch   about two blocks per thread, or more if a block would exceed 64
//                                                   rows
//     (2) gradient and update: rows of weights      about four blocks per thread, with about equally many multiply-adds
//                                                   each, or more if a block would exceed 64 rows. The biases of a
//                                                   layer belong to its last block. An embedding adds blocks of 16
//                                                   features each
//
// There are more blocks than threads because threads join late and leave early.
// Invariants: blocks start at multiples of 16 rows. A SIMD register with input factors or transposed weights covers up
//             to 16 consecutive rows, so it belongs to one block.
// Cost:       a division takes a few additions per layer. Weights are divided again only when the size of the team has
//             changed. Nothing is allocated after construction.

#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "ash/model/layout.hpp"
#include "ash/train/propagation.hpp"
#include "ash/train/workspace.hpp"

namespace ash {

// Returns the smallest positive multiple of 16 that is at least `rows`.
inline std::int64_t padded_rows(std::int64_t rows) {
    return std::max<std::int64_t>((rows + kLineFloats - 1) / kLineFloats, 1) * kLineFloats;
}

struct RowCut {
    std::int64_t rows;   // rows of the batch
    std::int64_t block;  // rows of each block except the last

    RowCut(std::int64_t batch, int threads) : rows(batch) {
        block = std::min(padded_rows(batch / (std::int64_t{2} * threads)), kBlockRows);
    }

    int count() const { return static_cast<int>((rows + block - 1) / block); }
    Span operator[](int number) const {
        const std::int64_t first = number * block;
        return {first, std::min(block, rows - first)};
    }
};

// A range of weight rows of one layer, or of embedded features. The embedding counts as the layer after the last.
struct WeightBlock {
    std::size_t layer;
    Span rows;
};

class WeightCut {
  public:
    explicit WeightCut(const Layout& layout);

    // Returns the blocks of weight rows for a team of `threads` threads. The span is valid until the next call.
    std::span<const WeightBlock> blocks(int threads);

  private:
    const Layout& layout_;
    int threads_ = 0;
    std::vector<WeightBlock> blocks_;
};

}  // namespace ash
