// elementwise.hpp: passes over blocks of rows (activations, dropout, gathering, standardization), the test for finite
// values, and exp, log, tanh and sigmoid of arrays.
//
// Each row of a block is processed in whole vectors, up to the vector that holds its last column.
// Cost: one read and one write of the block in the L1 or L2 cache.
// Included only by unit_*.cpp.
#pragma once

#include <limits>

#include "ash/kernels/elementary.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/kernels/simd.hpp"

namespace {

struct Point {
    Floats value;
    Floats slope;
};

struct Identity {
    ASH_INLINE static Point at(Floats x) { return {x, broadcast(1.0F)}; }
};
struct Relu {  // the slope at 0 is 0, as in PyTorch; NaN is passed through
    ASH_INLINE static Point at(Floats x) {
        return {select(x <= 0.0F, Floats{}, x), select(x > 0.0F, broadcast(1.0F), Floats{})};
    }
};
struct Sigmoid {
    ASH_INLINE static Point at(Floats x) {
        const Floats s = sigmoid(x);
        return {s, s * (1.0F - s)};
    }
};
struct Tanh {
    ASH_INLINE static Point at(Floats x) {
        const Floats t = tanh(x);
        return {t, fma(-t, t, broadcast(1.0F))};
    }
};
struct Gelu {  // x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3): Hendrycks, Gimpel, arXiv 1606.08415
    ASH_INLINE static Point at(Floats x) {
        constexpr float kRoot = 0.797884561F;
        constexpr float kCubic = 0.044715F;
        const Floats square = x * x;
        const Floats t = tanh(kRoot * x * fma(square, broadcast(kCubic), broadcast(1.0F)));
        const Floats half = fma(t, broadcast(0.5F), broadcast(0.5F));
        const Floats inner = kRoot * fma(square, broadcast(3 * kCubic), broadcast(1.0F));
        return {x * half, fma(0.5F * x * fma(-t, t, broadcast(1.0F)), inner, half)};
    }
};
struct Silu {
    ASH_INLINE static Point at(Floats x) {
        const Floats s = sigmoid(x);
        return {x * s, s * fma(x, 1.0F - s, broadcast(1.0F))};
    }
};

struct Selu {  // Klambauer et al., arXiv 1706.02515
    ASH_INLINE static Point at(Floats x) {
        constexpr float kScale = 1.05070099F;
        constexpr float kLimit = 1.75809934F;  // limit of -selu(x) for x -> -inf: the scale times 1.67326324
        const Reduced reduced = reduce_exp(at_least(at_most(x, Floats{}), broadcast(-87.0F)));
        const Floats factor = power_of_two(reduced.n);
        const Floats expm1 = fma(factor, reduced.excess, factor - 1.0F);
        const Integers above = x > 0.0F;
        return {select(above, x * kScale, expm1 * kLimit),
                select(above, broadcast(kScale), fma(expm1, broadcast(kLimit), broadcast(kLimit)))};
    }
};
struct Mish {  // x tanh(log(1 + exp(x))) = x n / (n + 2), n = e (e + 2), e = exp(x): Misra, arXiv 1908.08681
    ASH_INLINE static Point at(Floats x) {
        // x can be limited to 20, since n / (n + 2) rounds to 1 for x >= 9.
        const Floats e = exp_within(at_most(at_least(x, broadcast(-105.0F)), broadcast(20.0F)));
        const Floats n = e * (e + 2.0F);
        const Floats inverse = 1.0F / (n + 2.0F);
        const Floats t = n * inverse;
        return {x * t, fma(x * 4.0F * (inverse * inverse), e * (e + 1.0F), t)};
    }
};

template <bool kValue>
struct Known {
    static constexpr bool value = kValue;
};

template <typename Function>
void activate_with(float* y, float* slope, ash::Block block) noexcept {
    const auto each = [&](auto with_slope) {
        for_vectors(block.rows, block.columns, block.stride, [&](int64_t i) {
            const Point point = Function::at(load(y + i));
            store(y + i, point.value);
            if constexpr (with_slope.value) store(slope + i, point.slope);
        });
    };
    if (slope != nullptr) {
        each(Known<true>{});
    } else {
        each(Known<false>{});
    }
}

// Calls function(an object of the activation's type) for an activation known only at run time.
template <typename Function>
void with_type_of(ash::Activation activation, Function function) noexcept {
    switch (activation) {
        case ash::Activation::identity:
            return function(Identity{});
        case ash::Activation::relu:
            return function(Relu{});
        case ash::Activation::sigmoid:
            return function(Sigmoid{});
        case ash::Activation::tanh:
            return function(Tanh{});
        case ash::Activation::gelu:
            return function(Gelu{});
        case ash::Activation::silu:
            return function(Silu{});
        case ash::Activation::selu:
            return function(Selu{});
        case ash::Activation::mish:
            return function(Mish{});
    }
}

void activate(ash::Activation activation, float* y, float* slope, ash::Block block) noexcept {
    with_type_of(activation, [&](auto type) { activate_with<decltype(type)>(y, slope, block); });
}

// Returns a 32-bit hash, each bit of which depends on all bits of x (two rounds of multiply and shift).
ASH_INLINE Words mix(Words x) {
    x = (x ^ (x >> 16)) * 0x7FEB352DU;
    x = (x ^ (x >> 15)) * 0x846CA68BU;
    return x ^ (x >> 16);
}

void drop(float* y, float* slope, float* excess, ash::Block block, ash::Dropout dropout) noexcept {
    const Words lanes = reinterpret_cast<const Words&>(static_cast<const Integers&>(lane_numbers()));
    const auto each = [&](auto with_excess) {
        for_vectors(block.rows, block.columns, block.stride, [&](int64_t i) {
            const Words place = lanes + (dropout.first + static_cast<uint32_t>(i));
            // AVX2 has no unsigned comparison; flipping the top bits makes the signed one equivalent.
            Words words = (mix(mix(place ^ dropout.key) + dropout.key)) ^ 0x80000000U;
            const Integers kept =
                reinterpret_cast<Integers&>(words) >= static_cast<int32_t>(dropout.threshold ^ 0x80000000U);
            const Floats mask = from_bits(kept & bits(broadcast(dropout.scale)));
            store(y + i, load(y + i) * mask);
            store(slope + i, load(slope + i) * mask);
            if constexpr (with_excess.value) store(excess + i, load(excess + i) * mask);
        });
    };
    if (excess != nullptr) {
        each(Known<true>{});
    } else {
        each(Known<false>{});
    }
}

void gather(const float* from, int64_t stride, const uint32_t* numbers, int64_t rows, float* to) noexcept {
    for (int64_t row = 0; row < rows; ++row, to += stride) {
        const float* source = from + numbers[row] * stride;
        for (int64_t i = 0; i < stride; i += kLanes) store(to + i, load(source + i));
    }
}

// Each column is an independent lane without branches, so that the compiler can vectorize the loop.
template <typename Value>
bool standardize(const Value* from, const ash::Standardization& scaling, float* to) noexcept {
    constexpr double kMost = std::numeric_limits<float>::max();
    const double* center = scaling.center;
    const double* inverse = scaling.inverse;
    const double* limit = scaling.limit;
    int32_t beyond = 0;
    for (int64_t i = 0; i < scaling.columns; ++i) {
        const double x = from[i];
        const auto z = static_cast<float>((x - center[i]) * inverse[i]);
        float y = z * (1.0F / ash::kClip);
        y = y > ash::kFar ? ash::kFar : y;
        y = y < -ash::kFar ? -ash::kFar : y;
        const float clipped = ash::kClip * (y / __builtin_sqrtf(1.0F + y * y));
        const float value = limit[i] > 0.0 ? clipped : z;
        beyond |= static_cast<int32_t>(x > kMost) | static_cast<int32_t>(x < -kMost);
        to[i] = x == x ? value : 0.0F;
    }
    return beyond == 0;
}

bool finite(const float* values, int64_t size) noexcept {
    Floats sum{};  // the sum of 0 * number is 0 unless a number is infinite or NaN
    for (int64_t i = 0; i < size; i += kLanes) sum += load(values + i) * 0.0F;
    float total = 0.0F;
    for (int i = 0; i < kLanes; ++i) total += sum[i];
    return total == 0.0F;
}

ASH_INLINE Floats elementary_at(ash::Elementary function, Floats x) {
    switch (function) {
        case ash::Elementary::exp:
            return exp(x);
        case ash::Elementary::log:
            return log(x);
        case ash::Elementary::tanh:
            return tanh(x);
        case ash::Elementary::sigmoid:
            return sigmoid(x);
    }
    return x;
}

void elementary(ash::Elementary function, const float* x, float* y, int64_t size) noexcept {
    int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes) store_loose(y + i, elementary_at(function, load_loose(x + i)));
    if (i == size) return;
    Floats rest{};
    for (int64_t lane = 0; lane < size - i; ++lane) rest[lane] = x[i + lane];
    rest = elementary_at(function, rest);
    for (int64_t lane = 0; lane < size - i; ++lane) y[i + lane] = rest[lane];
}

}  // namespace
