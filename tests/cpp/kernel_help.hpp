// kernel_help.hpp: the tested kernels and sizes, random inputs, and the distance between two results.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <vector>

#include "ash/data/aligned.hpp"
#include "ash/data/random.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/layout.hpp"

namespace ash {
#if defined(__x86_64__)
extern const Kernels kWide;                                             // defined in unit_wide.cpp
extern void (*const kSimulatedTiles)(const Product&, float*) noexcept;  // defined in unit_tiles.cpp
#endif
}  // namespace ash

namespace ash::testing {

// Returns the kernels that this processor can run. If it has AVX2 and fma, they include kWide, which tests the logic of
// the AVX-512 kernels without AVX-512.
inline std::vector<const Kernels*> tested_kernels() {
    std::vector<const Kernels*> tables(available_kernels().begin(), available_kernels().end());
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) tables.push_back(&kWide);
#endif
    return tables;
}

// Returns the kernels whose bfloat16 products are tested. They include AMX tiles, which are simulated if AMX is
// missing.
inline std::vector<Kernels> tested_bfloat16() {
    std::vector<Kernels> tables;
    for (const Kernels* table : tested_kernels()) tables.push_back(*table);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bf16") != 0 && available_kernels().front()->lanes == 16) {
        tables.push_back(*available_kernels().front());
        tables.back().name = "simulated tiles";
        tables.back().product_bfloat16 = kSimulatedTiles;
    }
#endif
    return tables;
}

inline constexpr std::initializer_list<Activation> kActivations{
    Activation::identity, Activation::relu, Activation::sigmoid, Activation::tanh,
    Activation::gelu,     Activation::silu, Activation::selu,    Activation::mish};

inline constexpr int kLargest = 70;

// Returns the sizes to test in all pairs: 1 to 70. Under a sanitizer all pairs would take minutes, so only small sizes
// and sizes near whole vectors and tiles are tested.
inline std::vector<int> sizes() {
    std::vector<int> all(kLargest);
    std::iota(all.begin(), all.end(), 1);
#if defined(__SANITIZE_ADDRESS__)
    std::erase_if(all, [](int size) { return size > 17 && size % 16 > 1 && size % 16 < 15 && size != kLargest; });
#endif
    return all;
}

// Returns numbers in [-1, 1) that depend only on the seed; padding columns are zero.
inline AlignedFloats random_block(Block block, std::uint64_t seed) {
    AlignedFloats values(block.rows * block.stride);
    Words words{};
    for (std::int64_t row = 0; row < block.rows; ++row) {
        for (std::int64_t column = 0; column < block.columns; ++column) {
            const auto index = static_cast<std::uint32_t>(row * block.columns + column);
            if (index % 4 == 0) words = philox({index / 4, 0, 0, 0}, seed);
            values.data()[row * block.stride + column] = 2.0F * unit_float(words[index % 4]) - 1.0F;
        }
    }
    return values;
}

inline Block block_of(std::int64_t rows, std::int64_t columns) { return {rows, columns, padded(columns)}; }

// Returns the largest difference between elements of two blocks, not counting padding. It is infinite if an element is
// NaN in only one of the blocks.
inline double distance(const AlignedFloats& a, const AlignedFloats& b, Block block) {
    double largest = 0.0;
    for (std::int64_t row = 0; row < block.rows; ++row) {
        for (std::int64_t i = row * block.stride; i < row * block.stride + block.columns; ++i) {
            const double one = a.data()[i];
            const double other = b.data()[i];
            if (one == other || (std::isnan(one) && std::isnan(other))) continue;
            const double gap = std::abs(one - other);
            if (std::isnan(gap)) return INFINITY;
            largest = std::max(largest, gap);
        }
    }
    return largest;
}

// Returns the allowed distance between the results of a kernel and its naive twin. It is 0 with fma. Without fma, sums
// of products are rounded differently, so the distance grows with the number of terms.
inline double tolerance(const Kernels& kernels, double terms) { return kernels.fma ? 0.0 : (terms + 2.0) * 1.2e-7; }

}  // namespace ash::testing
