// reference_periodic.hpp: the naive twins of periodic.hpp (the embedding of numeric features, and row factors).
//
// The embedding's sines and sums are in double here, while the kernels use a chain of floats, so its results are
// compared within a bound. Row factors and their gradients use the order promised in kernels.hpp and are compared bit
// for bit.
// Included only by reference.cpp.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include "ash/kernels/embedding.hpp"
#include "ash/kernels/kernels.hpp"

namespace ash {
namespace {

// x * y + z, rounded once.
#if defined(__MINGW32__)
// MinGW-w64's fmaf rounds twice. So the product is computed exactly in double, and the sum is rounded to odd. Rounding
// that sum to float gives the same result as rounding the exact sum (Boldo and Melquiond, 2008).
float fused(float x, float y, float z) {
    const double product = static_cast<double>(x) * y;
    double sum = product + z;
    const double addend = sum - product;
    const double error = (product - (sum - addend)) + (z - addend);
    if (error != 0 && std::isfinite(error) && (std::bit_cast<std::uint64_t>(sum) & 1) == 0) {
        sum = std::nextafter(sum, std::copysign(std::numeric_limits<double>::infinity(), error));
    }
    return static_cast<float>(sum);
}
#else
float fused(float x, float y, float z) { return std::fma(x, y, z); }
#endif

double of_turns(double (*function)(double), double turns) { return function(2.0 * std::numbers::pi * turns); }

double turns_of(const Periodic& p, int k, std::int64_t column, float x) {
    const float* column_of = p.parameters + column;
    return fused(column_of[k * p.stride], x, column_of[(embedding::kPhases + k) * p.stride]);
}

void embed(const Periodic& p, const float* x, std::int64_t rows, float* to, std::int64_t to_stride) noexcept {
    using namespace embedding;
    for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t i = 0; i < p.numbers; ++i) {
            for (int d = 0; d < kDimensions; ++d) {
                double sum = p.parameters[(kBiases + d) * p.stride + i];
                for (int k = 0; k < kFrequencies; ++k) {
                    sum += p.parameters[(kMixes + k * kDimensions + d) * p.stride + i] *
                           of_turns(std::cos, turns_of(p, k, i, x[row * p.stride + i]));
                }
                to[row * to_stride + d * p.numbers + i] = static_cast<float>(sum);
            }
        }
    }
}

void embed_gradient(const Periodic& p, std::int64_t first, const float* x, const float* deltas,
                    std::int64_t delta_stride, std::int64_t rows, float* gradient) noexcept {
    using namespace embedding;
    for (std::int64_t i = 0; i < kColumns; ++i) {
        double sums[kRows] = {};
        const std::int64_t column = first + i;
        for (std::int64_t row = 0; row < rows && column < p.numbers; ++row) {
            const float value = x[row * p.stride + column];
            const float* delta = deltas + row * delta_stride + column;
            for (int k = 0; k < kFrequencies; ++k) {
                const double turns = turns_of(p, k, column, value);
                double of_cosine = 0.0;
                for (int d = 0; d < kDimensions; ++d) {
                    const int mix = kMixes + k * kDimensions + d;
                    sums[mix] += delta[d * p.numbers] * of_turns(std::cos, turns);
                    of_cosine += static_cast<double>(delta[d * p.numbers]) * p.parameters[mix * p.stride + column];
                }
                const double of_turn = -2.0 * std::numbers::pi * of_turns(std::sin, turns) * of_cosine;
                sums[k] += of_turn * value;
                sums[kPhases + k] += of_turn;
            }
            for (int d = 0; d < kDimensions; ++d) sums[kBiases + d] += delta[d * p.numbers];
        }
        for (int row = 0; row < kRows; ++row) gradient[row * kColumns + i] = static_cast<float>(sums[row]);
    }
}

void scale_rows(const float* from, const float* factors, float* to, Block block) noexcept {
    for (std::int64_t row = 0; row < block.rows; ++row) {
        for (std::int64_t column = 0; column < block.columns; ++column)
            to[row * block.stride + column] = from[row * block.stride + column] * factors[row];
    }
}

void scale_gradient(const float* weights, const float* factors, float* gradient, float* dots, Block block) noexcept {
    for (std::int64_t row = 0; row < block.rows; ++row) {
        float lanes[16] = {};
        for (std::int64_t column = 0; column < block.columns; ++column) {
            const std::int64_t i = row * block.stride + column;
            lanes[column % 16] = fused(weights[i], gradient[i], lanes[column % 16]);
        }
        for (int half = 8; half > 0; half /= 2) {
            for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
        }
        dots[row] = lanes[0];
    }
    scale_rows(gradient, factors, gradient, block);
}

}  // namespace
}  // namespace ash
