// product.hpp: the product kernel for float32 factors, and its three uses.
//
//     forward          Y = X W + b        A = X           B = W
//     weight gradient  G = X^T D          A = X, strides swapped   B = D
//     input delta      D' = S * (D W^T)   A = D           B = W^T, a copy that each update refreshes
//
//     X: inputs of a layer; D, D': deltas of its outputs and of its inputs; S: slopes of the activation below
//
//            k ->            columns ->
//        +---------+       +----------+
//      m | a a a a |   k   | b b b b  |
//        +---------+       +----------+
//
// A tile of C, kTileRows x 2 vectors, stays in registers while k runs. Each k takes two loads of B and one broadcast of
// A per row. Nothing is packed: rows of B are read in place. A panel of B, as wide as a tile, stays in the L1 cache
// while the tiles of C that use it are computed, one below the other. Tiles are 6 x 16 with AVX2 (12 of 16 registers
// hold sums), 8 x 32 with AVX-512 (16 of 32), 6 x 8 with SSE2 and NEON. With 12 rows on AVX-512 the row offsets of A do
// not fit into the general-purpose registers, and reloading two of them for each k cost 4 %
// (bench/kernels/products.py). Rows are split evenly into tiles: 32 rows become 6+6+5+5+5+5 rather than 6+6+6+6+6+2. A
// tile of 2 rows would have too few sums in flight to hide the latency of its additions.
// Cost: 2 M N K floating-point operations, with N rounded up to a vector, plus 25 to 45 cycles at the end of each tile.
// Included only by unit_*.cpp.
#pragma once

#include <cstddef>
#include <utility>

#include "ash/kernels/kernels.hpp"
#include "ash/kernels/simd.hpp"

namespace {

#if ASH_LANES == 16
constexpr int kTileRows = 8;
#else
constexpr int kTileRows = 6;
#endif

alignas(64) constexpr float kNothing[8 * kLanes] = {};

// The initial values of the sums of a row: the bias, zeros, or the values in C. They are given by a pointer and a
// stride, so that no branches are needed between the loads.
struct SumStart {
    const float* first;
    int64_t stride;  // from one row to the next; 0 if all rows have the same initial values
};

ASH_INLINE SumStart start_of(const ash::Product& p, const float* c, int64_t column) {
    if (p.start == ash::Start::accumulate) return {c, p.c_stride};
    return {p.bias != nullptr ? p.bias + column : kNothing, 0};
}

// Computes `count` tiles of R rows, one below the other, starting at `row`: C[row .. row + count R)[column .. column +
// V vectors).
template <int R, int V>
__attribute__((noinline)) void tiles_below(const ash::Product& p, int64_t row, int64_t column, int64_t count) noexcept {
    const float* a = p.a + row * p.a_row;
    float* c = p.c + row * p.c_stride + column;
    const int64_t a_row = p.a_row;
    const int64_t a_column = p.a_column;
    const int64_t b_stride = p.b_stride;
    const int64_t c_stride = p.c_stride;
    const bool scales = p.start == ash::Start::scale;
    auto [first, first_stride] = start_of(p, c, column);
    for (; count > 0; --count) {
        Floats sum[R][V];
        for (int r = 0; r < R; ++r) {
            for (int v = 0; v < V; ++v) sum[r][v] = load(first + r * first_stride + v * kLanes);
        }
        const float* b = p.b + column;
        const float* factor_at = a;
        for (int64_t k = p.terms; k > 0; --k) {
            Floats factors[V];
            for (int v = 0; v < V; ++v) factors[v] = load(b + v * kLanes);
            for (int r = 0; r < R; ++r) {
                const Floats factor = broadcast(factor_at[r * a_row]);
                for (int v = 0; v < V; ++v) sum[r][v] = fma(factor, factors[v], sum[r][v]);
            }
            factor_at += a_column;
            b += b_stride;
        }
        if (scales) {
            for (int r = 0; r < R; ++r) {
                for (int v = 0; v < V; ++v) sum[r][v] = load(c + r * c_stride + v * kLanes) * sum[r][v];
            }
        }
        for (int r = 0; r < R; ++r) {
            for (int v = 0; v < V; ++v) store(c + r * c_stride + v * kLanes, sum[r][v]);
        }
        a += R * a_row;
        c += R * c_stride;
        first += R * first_stride;
    }
}

using Tile = void (*)(const ash::Product&, int64_t, int64_t, int64_t) noexcept;

struct Tiles {
    Tile of[kTileRows + 1];  // of[R] computes tiles of R rows; of[0] is null
};

template <int V>
constexpr Tiles tiles() {
#if ASH_LANES == 16
    return {{nullptr, tiles_below<1, V>, tiles_below<2, V>, tiles_below<3, V>, tiles_below<4, V>, tiles_below<5, V>,
             tiles_below<6, V>, tiles_below<7, V>, tiles_below<8, V>}};
#else
    return {{nullptr, tiles_below<1, V>, tiles_below<2, V>, tiles_below<3, V>, tiles_below<4, V>, tiles_below<5, V>,
             tiles_below<6, V>}};
#endif
}

constexpr Tiles kNarrowTiles = tiles<1>();
constexpr Tiles kWideTiles = tiles<2>();

// Computes all rows of C in one panel of columns, which is as wide as the given tiles.
void panel(const ash::Product& p, const Tiles& tiles, int64_t column) noexcept {
    const int64_t count = (p.rows + kTileRows - 1) / kTileRows;
    const int64_t height = p.rows / count;
    const int64_t higher = p.rows % count;  // number of tiles with one more row
    if (higher > 0) tiles.of[height + 1](p, 0, column, higher);
    tiles.of[height](p, higher * (height + 1), column, count - higher);
}

void product(const ash::Product& p) noexcept {
    if (p.rows == 0) return;
    int64_t column = 0;
    // A single row, as in a gradient of biases, is computed in tiles of more vectors, which hide the latency.
    for (; p.rows == 1 && column + 7 * kLanes < p.columns; column += 8 * kLanes) tiles_below<1, 8>(p, 0, column, 1);
    for (; column + kLanes < p.columns; column += 2 * kLanes) panel(p, kWideTiles, column);
    if (column < p.columns) panel(p, kNarrowTiles, column);
}

// The chains start from different values that the compiler does not know, so it can neither merge the chains nor run
// the loop only once. Chains are numbered at compile time, since a loop over them might not be unrolled and would then
// keep them in memory.
template <std::size_t... kChain>
float peak_of(int64_t vectors, std::index_sequence<kChain...>) noexcept {
    Floats start{};
    ASH_OPAQUE(start);
    Floats sum[] = {(start + static_cast<float>(kChain))...};
    const Floats factor = broadcast(0.5F);
    const Floats term = broadcast(0.25F);
    for (int64_t i = 0; i < vectors; i += sizeof...(kChain)) {
        ((sum[kChain] = fma(sum[kChain], factor, term)), ...);
    }
    return (sum[kChain] + ...)[0];
}

float peak(int64_t vectors) noexcept {
    // Uses as many chains as a product, which is enough to hide the latency.
    return peak_of(vectors, std::make_index_sequence<kTileRows * 2>());
}

}  // namespace
