// bfloat16.hpp: products with factors rounded to bfloat16, bit-identical to the AMX instruction TDPBF16PS.
//
//     every 32 terms:   c = c + (even + odd)      even, odd: chains of fused multiply-adds from 0, over even and odd k
//
// Products of two bfloat16 numbers are exact in float. The last group of 32 terms is filled up with zeros. At the
// start of a product, factors are rounded to the nearest bfloat16, with ties to even. Denormal factors become zero.
// Denormal results become zero if the thread is set to flush them (denormals.hpp). On a Xeon with AMX, all 153,600
// compared elements equaled those of the instruction.
//
// This implementation stores the rounded factors as floats, in copies of A and B. It keeps two sums (even and odd) for
// each element of C.
// Included only by unit_*.cpp.
#pragma once

#include "ash/kernels/kernels.hpp"
#include "ash/kernels/product.hpp"
#include "ash/kernels/simd.hpp"

namespace {

constexpr int64_t kGroup = 32;  // terms per instruction

// Rows per tile. There are fewer than in product.hpp, since two sums and the result of each element are kept in
// registers.
#if ASH_LANES == 16
constexpr int kGroupRows = 4;
#else
constexpr int kGroupRows = 2;
#endif

ASH_INLINE Floats to_bfloat16(Floats x) {
    const Integers own = bits(x);
    const Integers size = own & 0x7FFFFFFF;
    const Integers rounded = (own + 0x7FFF + ((own >> 16) & 1)) & static_cast<int32_t>(0xFFFF0000);
    const Integers sign = own & static_cast<int32_t>(0x80000000);
    const Integers kept = (size >= 0x00800000) & rounded;  // `rounded`, or zero for a denormal
    const Integers quiet = (own & static_cast<int32_t>(0xFFFF0000)) | 0x00400000;
    return from_bits(size > 0x7F800000 ? quiet : (kept | sign));
}

// Returns the stride of rows of rounded factors, in floats. It equals padded() in shape.hpp.
ASH_INLINE int64_t row_floats(int64_t columns) {
    const int64_t lines = (columns + 15) / 16;
    return (columns >= 128 && lines % 2 == 0 ? lines + 1 : lines) * 16;
}

// to[row * to_stride + i] := from[row * stride + i], rounded, in whole vectors.
void round_block(const float* from, ash::Block block, float* to, int64_t to_stride) noexcept {
    for (int64_t row = 0; row < block.rows; ++row) {
        for (int64_t i = 0; i < block.columns; i += kLanes)
            store(to + row * to_stride + i, to_bfloat16(load(from + row * block.stride + i)));
    }
}

// Does the same as tiles_below() in product.hpp, but for rounded factors and in groups of 32 terms.
template <int R, int V>
__attribute__((noinline)) void groups_below(const ash::Product& p, int64_t row, int64_t column,
                                            int64_t count) noexcept {
    const float* a = p.a + row * p.a_row;
    float* c = p.c + row * p.c_stride + column;
    const bool scales = p.start == ash::Start::scale;
    auto [first, first_stride] = start_of(p, c, column);
    for (; count > 0; --count) {
        Floats sum[R][V];
        for (int r = 0; r < R; ++r) {
            for (int v = 0; v < V; ++v) sum[r][v] = load(first + r * first_stride + v * kLanes);
        }
        const float* b = p.b + column;
        const float* factor_at = a;
        const auto add_term = [&](Floats(&chains)[R][V]) {
            Floats factors[V];
            for (int v = 0; v < V; ++v) factors[v] = load(b + v * kLanes);
            for (int r = 0; r < R; ++r) {
                const Floats factor = broadcast(factor_at[r * p.a_row]);
                for (int v = 0; v < V; ++v) chains[r][v] = fma(factor, factors[v], chains[r][v]);
            }
            factor_at += p.a_column;
            b += p.b_stride;
        };
        for (int64_t left = p.terms; left > 0; left -= kGroup) {
            Floats even[R][V] = {};
            Floats odd[R][V] = {};
            const int64_t terms = left < kGroup ? left : kGroup;
            for (int64_t pair = terms / 2; pair > 0; --pair) {
                add_term(even);
                add_term(odd);
            }
            if (terms % 2 != 0) add_term(even);
            // AMX fills up an incomplete group with zero terms. Adding them turns a sum that was flushed to -0 into +0,
            // so zeros are added here, too.
            const Floats zeros{};
            for (int r = 0; r < R; ++r) {
                for (int v = 0; v < V; ++v) {
                    if (terms < kGroup) {
                        even[r][v] = even[r][v] + zeros;
                        odd[r][v] = odd[r][v] + zeros;
                    }
                    sum[r][v] = sum[r][v] + (even[r][v] + odd[r][v]);
                }
            }
        }
        for (int r = 0; r < R; ++r) {
            float* to = c + r * p.c_stride;
            for (int v = 0; v < V; ++v) {
                if (scales) sum[r][v] = load(to + v * kLanes) * sum[r][v];
                store(to + v * kLanes, sum[r][v]);
            }
        }
        a += R * p.a_row;
        c += R * p.c_stride;
        first += R * first_stride;
    }
}

template <int V>
void groups(const ash::Product& p, int64_t column) noexcept {
    const int64_t count = p.rows / kGroupRows;
    groups_below<kGroupRows, V>(p, 0, column, count);
    groups_below<1, V>(p, count * kGroupRows, column, p.rows - count * kGroupRows);
}

void product_bfloat16(const ash::Product& given, float* scratch) noexcept {
    ash::Product p = given;
    const bool turned = p.a_column != 1;
    const int64_t a_columns = turned ? p.rows : p.terms;
    const int64_t a_rows = turned ? p.terms : p.rows;
    const int64_t a_stride = row_floats(a_columns);
    round_block(p.a, {a_rows, a_columns, turned ? p.a_column : p.a_row}, scratch, a_stride);
    p.a = scratch;
    p.a_row = turned ? 1 : a_stride;
    p.a_column = turned ? a_stride : 1;
    scratch += a_rows * a_stride;
    round_block(p.b, {p.terms, p.columns, p.b_stride}, scratch, row_floats(p.columns));
    p.b = scratch;
    p.b_stride = row_floats(p.columns);
    int64_t column = 0;
    for (; column + kLanes < p.columns; column += 2 * kLanes) groups<2>(p, column);
    if (column < p.columns) groups<1>(p, column);
}

}  // namespace
