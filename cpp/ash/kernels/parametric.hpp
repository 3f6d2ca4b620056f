// parametric.hpp: activations that mix f(x) and x, with a learned share of f(x) per column.
//
//     y = (1 - a) x + a f(x)     slope = dy/dx = (1 - a) + a f'(x)     excess = dy/da = f(x) - x     a: the share
//
// Source: Holzmueller et al., arXiv:2407.04491, who write y = x + a (f(x) - x). In the form used here, a share of 1
// gives exactly f(x). Shares start at 1, so until they change, a network equals a network without shares.
// Included only by unit_*.cpp.
#pragma once

#include "ash/kernels/elementwise.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/kernels/simd.hpp"

namespace {

template <typename Function, bool kWithSlope>
ASH_INLINE void parametric_with(const float* shares, float* y, float* slope, float* excess, ash::Block block) {
    for (int64_t row = 0; row < block.rows; ++row) {
        for (int64_t column = 0; column < block.columns; column += kLanes) {
            const int64_t i = row * block.stride + column;
            const Floats share = load(shares + column);
            const Floats rest = 1.0F - share;
            const Floats x = load(y + i);
            const Point point = Function::at(x);
            store(y + i, fma(share, point.value, rest * x));
            if constexpr (kWithSlope) {
                store(slope + i, fma(share, point.slope, rest));
                store(excess + i, point.value - x);
            }
        }
    }
}

void activate_parametric(ash::Activation activation, const float* shares, float* y, float* slope, float* excess,
                         ash::Block block) noexcept {
    with_type_of(activation, [&](auto type) {
        if (slope != nullptr) {
            parametric_with<decltype(type), true>(shares, y, slope, excess, block);
        } else {
            parametric_with<decltype(type), false>(shares, y, slope, excess, block);
        }
    });
}

void delta_parametric(float* delta, const float* slope, float* excess, ash::Block block) noexcept {
    for_vectors(block.rows, block.columns, block.stride, [&](int64_t i) {
        const Floats of_output = load(delta + i);
        store(excess + i, of_output * load(excess + i));
        store(delta + i, of_output * load(slope + i));
    });
}

}  // namespace
