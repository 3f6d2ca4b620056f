// transpose.hpp: transposes a block in squares of 4 x 4.
//
// Included only by unit_*.cpp.
#pragma once

#include "ash/kernels/kernels.hpp"
#include "ash/kernels/simd.hpp"

namespace {

using Four = float __attribute__((vector_size(16), may_alias));

// Transposes a square of 4 x 4 with 16-byte vectors. Wider vectors would gain nothing, since most of the time goes to
// the stores, not to the shuffles.
ASH_INLINE void transpose_four(const float* from, int64_t stride, float* to, int64_t to_stride) {
    const auto row = [&](int i) { return *reinterpret_cast<const Four*>(from + i * stride); };
    const Four low01 = __builtin_shufflevector(row(0), row(1), 0, 4, 1, 5);
    const Four high01 = __builtin_shufflevector(row(0), row(1), 2, 6, 3, 7);
    const Four low23 = __builtin_shufflevector(row(2), row(3), 0, 4, 1, 5);
    const Four high23 = __builtin_shufflevector(row(2), row(3), 2, 6, 3, 7);
    const auto put = [&](int i, Four value) { *reinterpret_cast<Four*>(to + i * to_stride) = value; };
    put(0, __builtin_shufflevector(low01, low23, 0, 1, 4, 5));
    put(1, __builtin_shufflevector(low01, low23, 2, 3, 6, 7));
    put(2, __builtin_shufflevector(high01, high23, 0, 1, 4, 5));
    put(3, __builtin_shufflevector(high01, high23, 2, 3, 6, 7));
}

void transpose(const float* from, ash::Block block, float* to, int64_t to_stride) noexcept {
    const int64_t whole = block.rows - block.rows % 4;
    const int64_t columns = block.columns - block.columns % 4;
    for (int64_t column = 0; column < columns; column += 4) {
        for (int64_t row = 0; row < whole; row += 4) {
            transpose_four(from + row * block.stride + column, block.stride, to + column * to_stride + row, to_stride);
        }
    }
    for (int64_t row = 0; row < block.rows; ++row) {
        for (int64_t column = row < whole ? columns : 0; column < block.columns; ++column) {
            to[column * to_stride + row] = from[row * block.stride + column];
        }
    }
}

}  // namespace
