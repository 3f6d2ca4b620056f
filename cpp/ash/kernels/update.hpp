// update.hpp: the weight update in one fused pass over the gradients (regularization, moments and step).
//
// The forms are those of PyTorch 2 (SGD, Adam, AdamW). Every operation is rounded separately or is an explicit fma.
// Square roots and divisions are rounded correctly, as IEEE 754 requires, so the bits are the same on every unit with
// fma.
// Cost: an update reads gradient, weights and moments, and writes weights and moments. This is 12, 20 or 28 bytes per
// weight with 0, 1 or 2 moments.
// Included only by unit_*.cpp.
#pragma once

#include "ash/kernels/kernels.hpp"
#include "ash/kernels/simd.hpp"

namespace {

ASH_INLINE Floats regularized(const ash::Update& u, Floats gradient, Floats weights) {
    return fma(broadcast(u.l2), weights, gradient);
}

ASH_INLINE Floats step(const ash::Update& u, Floats weights, Floats direction) {
    return fma(broadcast(-u.learning_rate), direction, weights * u.decay);
}

void update_sgd(const ash::Update& u, const ash::Parameters& p) noexcept {
    for_vectors(p.block.rows, p.block.columns, p.block.stride, [&](int64_t i) {
        const Floats w = load(p.weights + i);
        store(p.weights + i, step(u, w, regularized(u, load(p.gradient + i), w)));
    });
}

template <bool kNesterov>
void update_momentum(const ash::Update& u, const ash::Parameters& p) noexcept {
    for_vectors(p.block.rows, p.block.columns, p.block.stride, [&](int64_t i) {
        const Floats w = load(p.weights + i);
        const Floats g = regularized(u, load(p.gradient + i), w);
        const Floats velocity = fma(broadcast(u.momentum), load(p.first_moment + i), g);
        store(p.first_moment + i, velocity);
        store(p.weights + i, step(u, w, kNesterov ? fma(broadcast(u.momentum), velocity, g) : velocity));
    });
}

void update_adam(const ash::Update& u, const ash::Parameters& p) noexcept {
    for_vectors(p.block.rows, p.block.columns, p.block.stride, [&](int64_t i) {
        const Floats w = load(p.weights + i);
        const Floats g = regularized(u, load(p.gradient + i), w);
        const Floats m = fma(broadcast(u.beta1), load(p.first_moment + i), (1.0F - u.beta1) * g);
        const Floats v = fma(broadcast(u.beta2), load(p.second_moment + i), (1.0F - u.beta2) * (g * g));
        store(p.first_moment + i, m);
        store(p.second_moment + i, v);
        const Floats scale = fma(square_root(v), broadcast(u.correction2), broadcast(u.epsilon));
        store(p.weights + i, step(u, w, (m * u.correction1) / scale));
    });
}

void update(const ash::Update& update, const ash::Parameters& p) noexcept {
    const ash::Update u = update;  // a copy, since the compiler must assume that the stores below may change `update`
    switch (u.optimizer) {
        case ash::Optimizer::sgd:
            return update_sgd(u, p);
        case ash::Optimizer::momentum:
            return update_momentum<false>(u, p);
        case ash::Optimizer::nesterov:
            return update_momentum<true>(u, p);
        case ash::Optimizer::adam:
        case ash::Optimizer::adamw:
            return update_adam(u, p);
    }
}

}  // namespace
