// kernel_help.hpp: which kernels are tested, on what, and how far two results are apart.
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
extern const Kernels kWide;                                             // unit_wide.cpp
extern void (*const kSimulatedTiles)(const Product&, float*) noexcept;  // unit_tiles.cpp
#endif
}  // namespace ash

namespace ash::testing {

// The units that this processor can run, and the tiles of AVX-512 even where it cannot.
inline std::vector<const Kernels*> tested_kernels() {
    std::vector<const Kernels*> tables(available_kernels().begin(), available_kernels().end());
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) tables.push_back(&kWide);
#endif
    return tables;
}

// Those whose products of bfloat16 are tested: with the tiles of AMX too, simulated where there are none.
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

// The sizes of which all pairs are tested: every one; under a sanitizer, where all pairs would take minutes, the small
// ones and those around whole vectors and tiles.
inline std::vector<int> sizes() {
    std::vector<int> all(kLargest);
    std::iota(all.begin(), all.end(), 1);
#if defined(__SANITIZE_ADDRESS__)
    std::erase_if(all, [](int size) { return size > 17 && size % 16 > 1 && size % 16 < 15 && size != kLargest; });
#endif
    return all;
}

// Numbers in [-1, 1), a function of the seed alone; columns beyond `columns` are zero.
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

// Largest distance over the columns that mean something; infinite if one is NaN and the other is not.
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

// 0 with fma; without it a sum of k products differs by rounding.
inline double tolerance(const Kernels& kernels, double terms) { return kernels.fma ? 0.0 : (terms + 2.0) * 1.2e-7; }

}  // namespace ash::testing
