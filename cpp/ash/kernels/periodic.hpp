// periodic.hpp: the periodic embedding of numeric features (embedding.hpp) and its gradient, and the products of rows
// and learned factors (scale_rows, scale_gradient).
//
// In the embedding, SIMD vectors run over features. Each embedded value is summed as one chain in order of frequencies,
// each gradient as one chain in row order. The gradient recomputes the cosines, which is cheaper than storing 16 of
// them per feature and row.
// Error: with fma, at most 1.6e-7 for a cosine and 2.1e-7 for a sine; without fma, 1.8e-7 and 2.4e-7. These are maxima
// over all floats within one turn. In the gradient, the error of a sine is multiplied by 2 pi.
// tests/cpp/test_embedding.cpp checks a sample of these floats, and arguments up to 2^22 turns.
// Included only by unit_*.cpp.
#pragma once

#include "ash/kernels/elementary.hpp"
#include "ash/kernels/embedding.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/kernels/losses.hpp"
#include "ash/kernels/simd.hpp"

namespace {

constexpr float kTwoPi = 6.28318531F;

// sin(2 pi t) for |t| <= 1/4, by its Taylor series.
ASH_INLINE Floats sine_of_turns(Floats t) {
    const Floats z = t * t;
    Floats p = broadcast(-15.0946426F);
    p = fma(p, z, broadcast(42.0586939F));
    p = fma(p, z, broadcast(-76.7058598F));
    p = fma(p, z, broadcast(81.6052493F));
    p = fma(p, z, broadcast(-41.3417022F));
    return t * fma(p, z, broadcast(kTwoPi));
}

// Returns u minus the nearest whole number. The result is exact for |u| < 2^22, and always within [-1/2, 1/2]; NaN
// stays NaN.
ASH_INLINE Floats part_of_turn(Floats u) {
    const Floats part = u - ((u + kRoundMagic) - kRoundMagic);
    return at_most(at_least(part, broadcast(-0.5F)), broadcast(0.5F));
}

ASH_INLINE Floats cosine(Floats part) { return sine_of_turns(0.25F - absolute(part)); }

ASH_INLINE Floats sine(Floats part) {
    const Floats far = with_sign_of(broadcast(0.5F), part) - part;
    return sine_of_turns(select(absolute(part) > 0.25F, far, part));
}

// The embedding parameters of the numeric features in one SIMD register.
struct PeriodicColumns {
    const float* first;
    int64_t stride;

    ASH_INLINE Floats row(int number) const { return load(first + number * stride); }
    ASH_INLINE Floats frequency(int k) const { return row(k); }
    ASH_INLINE Floats phase(int k) const { return row(ash::embedding::kPhases + k); }
    ASH_INLINE Floats mix(int k, int d) const {
        return row(ash::embedding::kMixes + k * ash::embedding::kDimensions + d);
    }
    ASH_INLINE Floats bias(int d) const { return row(ash::embedding::kBiases + d); }
};

ASH_INLINE void store_part(float* to, Floats value, int64_t lanes) {
    if (lanes >= kLanes) return store_loose(to, value);
    for (int64_t i = 0; i < lanes; ++i) to[i] = value[i];
}

ASH_INLINE void embed_vector(const PeriodicColumns& columns, Floats x, Floats (&values)[ash::embedding::kDimensions]) {
    for (int d = 0; d < ash::embedding::kDimensions; ++d) values[d] = columns.bias(d);
    for (int k = 0; k < ash::embedding::kFrequencies; ++k) {
        const Floats c = cosine(part_of_turn(fma(columns.frequency(k), x, columns.phase(k))));
        for (int d = 0; d < ash::embedding::kDimensions; ++d) values[d] = fma(columns.mix(k, d), c, values[d]);
    }
}

void embed(const ash::Periodic& p, const float* x, int64_t rows, float* to, int64_t to_stride) noexcept {
    for (int64_t i = 0; i < p.numbers; i += kLanes) {
        const PeriodicColumns columns{p.parameters + i, p.stride};
        for (int64_t row = 0; row < rows; ++row) {
            Floats values[ash::embedding::kDimensions];
            embed_vector(columns, load(x + row * p.stride + i), values);
            float* first = to + row * to_stride + i;
            for (int d = 0; d < ash::embedding::kDimensions; ++d)
                store_part(first + d * p.numbers, values[d], p.numbers - i);
        }
    }
}

// The address of the deltas of the numeric features in one SIMD register, and the mask of the lanes that hold a
// feature.
struct PeriodicDeltas {
    const float* first;
    int64_t stride;
    int64_t numbers;
    Integers mask;

    ASH_INLINE Floats at(int64_t row, int d) const {
        return select(mask, load_loose(first + row * stride + d * numbers), Floats{});
    }
};

ASH_INLINE void embed_gradient_vector(const PeriodicColumns& columns, const float* x, int64_t stride,
                                      const PeriodicDeltas& deltas, int64_t rows, float* gradient) {
    using namespace ash::embedding;
    const auto put = [&](int row, Floats value) { store(gradient + row * kColumns, value); };
    for (int k = 0; k < kFrequencies; ++k) {
        const Floats w = columns.frequency(k);
        const Floats b = columns.phase(k);
        const Floats mix[kDimensions] = {columns.mix(k, 0), columns.mix(k, 1), columns.mix(k, 2)};
        Floats of_mix[kDimensions] = {};
        Floats of_frequency{};
        Floats of_phase{};
        for (int64_t row = 0; row < rows; ++row) {
            const Floats value = load(x + row * stride);
            const Floats part = part_of_turn(fma(w, value, b));
            const Floats c = cosine(part);
            Floats of_cosine{};
            for (int d = 0; d < kDimensions; ++d) {
                const Floats delta = deltas.at(row, d);
                of_mix[d] = fma(delta, c, of_mix[d]);
                of_cosine = fma(delta, mix[d], of_cosine);
            }
            const Floats of_turn = of_cosine * (sine(part) * -kTwoPi);
            of_phase += of_turn;
            of_frequency = fma(of_turn, value, of_frequency);
        }
        put(k, of_frequency);
        put(kPhases + k, of_phase);
        for (int d = 0; d < kDimensions; ++d) put(kMixes + k * kDimensions + d, of_mix[d]);
    }
    for (int d = 0; d < kDimensions; ++d) {
        Floats sum{};
        for (int64_t row = 0; row < rows; ++row) sum += deltas.at(row, d);
        put(kBiases + d, sum);
    }
}

void embed_gradient(const ash::Periodic& p, int64_t first, const float* x, const float* deltas, int64_t delta_stride,
                    int64_t rows, float* gradient) noexcept {
    for (int64_t i = 0; i < ash::embedding::kColumns; i += kLanes) {
        const int64_t column = first + i;
        const PeriodicDeltas own{deltas + column, delta_stride, p.numbers, means_something(column, p.numbers)};
        embed_gradient_vector({p.parameters + column, p.stride}, x + column, p.stride, own, rows, gradient + i);
    }
}

// Returns a dot product. For any vector width, it is summed in 16 lanes. Then the upper half of the lanes is added to
// the lower half until one lane is left. The sum ends with the vector that holds the last column, since scratch memory
// after that vector may hold old values, including NaN.
ASH_INLINE float dot(const float* a, const float* b, int64_t columns) {
    constexpr int kWide = 16;
    alignas(64) float lanes[kWide] = {};
    for (int64_t i = 0; i < columns; i += kLanes) {
        float* own = lanes + i % kWide;
        store(own, fma(load(a + i), load(b + i), load(own)));
    }
    for (int half = kWide / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    return lanes[0];
}

void scale_rows(const float* from, const float* factors, float* to, ash::Block block) noexcept {
    for (int64_t row = 0; row < block.rows; ++row) {
        const Floats factor = broadcast(factors[row]);
        for (int64_t i = row * block.stride; i < row * block.stride + block.columns; i += kLanes)
            store(to + i, load(from + i) * factor);
    }
}

void scale_gradient(const float* weights, const float* factors, float* gradient, float* dots,
                    ash::Block block) noexcept {
    for (int64_t row = 0; row < block.rows; ++row)
        dots[row] = dot(weights + row * block.stride, gradient + row * block.stride, block.columns);
    scale_rows(gradient, factors, gradient, block);
}

}  // namespace
