// The naive twins of all kernels. They define the results, in the promised order of operations.
//
// They loop over single elements and use std::fma where a kernel uses a fused multiply-add. They are the oracle of
// tests/cpp/test_{kernels,products}.cpp. Products, elementwise passes and updates of units with fma must equal the
// twins' results bit for bit. The twins compute exp, log, tanh and sigmoid by libm in double, so results that depend on
// these four functions are compared within the bounds stated in DESIGN.md.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include "ash/kernels/kernels.hpp"
#include "ash/kernels/reference_periodic.hpp"

namespace ash {
namespace {

// C[m][n] := add(m, n, initial value of the sum). For Start::scale, that result is multiplied by the old C[m][n].
template <typename Add>
void for_elements(const Product& p, Add add) {
    for (std::int64_t m = 0; m < p.rows; ++m) {
        for (std::int64_t n = 0; n < p.columns; ++n) {
            float& c = p.c[m * p.c_stride + n];
            float start = 0.0F;
            if (p.start == Start::bias && p.bias != nullptr) start = p.bias[n];
            if (p.start == Start::accumulate) start = c;
            const float sum = add(m, n, start);
            c = p.start == Start::scale ? c * sum : sum;
        }
    }
}

void product(const Product& p) noexcept {
    for_elements(p, [&](std::int64_t m, std::int64_t n, float sum) {
        for (std::int64_t k = 0; k < p.terms; ++k) {
            sum = fused(p.a[m * p.a_row + k * p.a_column], p.b[k * p.b_stride + n], sum);
        }
        return sum;
    });
}

float to_bfloat16(float x) {
    if (std::isnan(x) || std::isinf(x)) return x;
    if (std::fpclassify(x) == FP_SUBNORMAL) return std::copysign(0.0F, x);
    const auto own = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t below = own & 0xFFFFU;  // the bits that are rounded away
    const std::uint32_t kept = own - below;
    const bool up = below > 0x8000U || (below == 0x8000U && (kept >> 16) % 2 == 1);
    return std::bit_cast<float>(up ? kept + 0x10000U : kept);
}

// Adds terms in the order of TDPBF16PS: 16 pairs at a time, with the last group filled up with zeros.
void product_bfloat16(const Product& p, float*) noexcept {
    const auto a = [&](std::int64_t m, std::int64_t k) {
        return k < p.terms ? to_bfloat16(p.a[m * p.a_row + k * p.a_column]) : 0.0F;
    };
    const auto b = [&](std::int64_t k, std::int64_t n) {
        return k < p.terms ? to_bfloat16(p.b[k * p.b_stride + n]) : 0.0F;
    };
    for_elements(p, [&](std::int64_t m, std::int64_t n, float sum) {
        for (std::int64_t group = 0; group < p.terms; group += 32) {
            float even = 0.0F;
            float odd = 0.0F;
            for (std::int64_t k = group; k < group + 32; k += 2) {
                even = fused(a(m, k), b(k, n), even);
                odd = fused(a(m, k + 1), b(k + 1, n), odd);
            }
            sum = sum + (even + odd);
        }
        return sum;
    });
}

template <typename Function>
void for_each(Block block, Function function) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
        for (std::int64_t column = 0; column < block.columns; ++column) function(row * block.stride + column);
    }
}

constexpr double kSeluScale = 1.0507009873554805;
constexpr double kSeluAlpha = 1.6732632423543773;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double value_of(Activation activation, double x) {
    switch (activation) {
        case Activation::identity:
            return x;
        case Activation::relu:
            return x > 0.0 ? x : 0.0;
        case Activation::sigmoid:
            return sigmoid(x);
        case Activation::tanh:
            return std::tanh(x);
        case Activation::gelu:
            return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
        case Activation::silu:
            return x * sigmoid(x);
        case Activation::selu:
            return kSeluScale * (x > 0.0 ? x : kSeluAlpha * std::expm1(x));
        case Activation::mish:
            return x * std::tanh(std::log1p(std::exp(x)));
    }
    return 0.0;
}

double slope_of(Activation activation, double x) {
    switch (activation) {
        case Activation::identity:
            return 1.0;
        case Activation::relu:
            return x > 0.0 ? 1.0 : 0.0;
        case Activation::sigmoid:
            return sigmoid(x) * (1.0 - sigmoid(x));
        case Activation::tanh:
            return 1.0 - std::tanh(x) * std::tanh(x);
        case Activation::gelu: {
            const double root = std::sqrt(2.0 / std::numbers::pi);
            const double t = std::tanh(root * (x + 0.044715 * x * x * x));
            return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * root * (1.0 + 3.0 * 0.044715 * x * x);
        }
        case Activation::silu:
            return sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)));
        case Activation::selu:
            return kSeluScale * (x > 0.0 ? 1.0 : kSeluAlpha * std::exp(x));
        case Activation::mish: {
            const double t = std::tanh(std::log1p(std::exp(x)));
            return t + x * (1.0 - t * t) * sigmoid(x);
        }
    }
    return 0.0;
}

void activate(Activation activation, float* y, float* slope, Block block) noexcept {
    for_each(block, [&](std::int64_t i) {
        const double x = y[i];
        y[i] = static_cast<float>(value_of(activation, x));
        if (slope != nullptr) slope[i] = static_cast<float>(slope_of(activation, x));
    });
}

void activate_parametric(Activation activation, const float* shares, float* y, float* slope, float* excess,
                         Block block) noexcept {
    for_each(block, [&](std::int64_t i) {
        const double x = y[i];
        const double share = shares[i % block.stride];
        const double value = value_of(activation, x);
        y[i] = static_cast<float>(x + share * (value - x));
        if (slope == nullptr) return;
        slope[i] = static_cast<float>(1.0 + share * (slope_of(activation, x) - 1.0));
        excess[i] = static_cast<float>(value - x);
    });
}

void delta_parametric(float* delta, const float* slope, float* excess, Block block) noexcept {
    for_each(block, [&](std::int64_t i) {
        excess[i] *= delta[i];
        delta[i] *= slope[i];
    });
}

std::uint32_t mix(std::uint32_t x) {
    x = (x ^ (x >> 16U)) * 0x7FEB352DU;
    x = (x ^ (x >> 15U)) * 0x846CA68BU;
    return x ^ (x >> 16U);
}

void drop(float* y, float* slope, float* excess, Block block, Dropout dropout) noexcept {
    for_each(block, [&](std::int64_t i) {
        const std::uint32_t place = dropout.first + static_cast<std::uint32_t>(i);
        const bool kept = mix(mix(place ^ dropout.key) + dropout.key) >= dropout.threshold;
        y[i] *= kept ? dropout.scale : 0.0F;
        slope[i] *= kept ? dropout.scale : 0.0F;
        if (excess != nullptr) excess[i] *= kept ? dropout.scale : 0.0F;
    });
}

double target_of(std::int32_t label, std::int64_t column, float smoothing, std::int64_t classes) {
    return (column == label ? 1.0 - smoothing : 0.0) + smoothing / static_cast<double>(classes);
}

void softmax(float* logits, const std::int32_t* labels, float smoothing, float* losses, Block block) noexcept {
    for (std::int64_t r = 0; r < block.rows; ++r) {
        float* row = logits + r * block.stride;
        const double top = *std::max_element(row, row + block.columns);
        double sum = 0.0;
        for (std::int64_t c = 0; c < block.columns; ++c) sum += std::exp(row[c] - top);
        double loss = 0.0;
        for (std::int64_t c = 0; c < block.columns; ++c) {
            const double log_probability = row[c] - top - std::log(sum);
            if (labels != nullptr) loss -= target_of(labels[r], c, smoothing, block.columns) * log_probability;
            row[c] = static_cast<float>(std::exp(log_probability));
        }
        if (labels != nullptr) losses[r] = static_cast<float>(loss);
    }
}

void softmax_delta(float* probabilities, const std::int32_t* labels, float smoothing, float scale,
                   Block block) noexcept {
    for (std::int64_t r = 0; r < block.rows; ++r) {
        for (std::int64_t c = 0; c < block.columns; ++c) {
            float& p = probabilities[r * block.stride + c];
            p = static_cast<float>((p - target_of(labels[r], c, smoothing, block.columns)) * scale);
        }
    }
}

void squared_error(float* outputs, const float* targets, float scale, float* losses, Block block) noexcept {
    for (std::int64_t r = 0; r < block.rows; ++r) {
        float sum = 0.0F;
        for (std::int64_t c = 0; c < block.columns; ++c) {
            float& output = outputs[r * block.stride + c];
            const float error = output - targets[r * block.stride + c];
            sum += error * error;
            output = error * scale;
        }
        losses[r] = sum;
    }
}

void pinball(float* outputs, const float* targets, float level, float scale, float* losses, Block block) noexcept {
    for (std::int64_t r = 0; r < block.rows; ++r) {
        float sum = 0.0F;
        for (std::int64_t c = 0; c < block.columns; ++c) {
            float& output = outputs[r * block.stride + c];
            const float error = output - targets[r * block.stride + c];
            sum += error > 0.0F ? (1.0F - level) * error : -level * error;
            output = (error > 0.0F ? 1.0F - level : -level) * scale;
        }
        losses[r] = sum;
    }
}

void poisson(float* outputs, const float* targets, float scale, float* losses, Block block) noexcept {
    for (std::int64_t r = 0; r < block.rows; ++r) {
        double sum = 0.0;
        for (std::int64_t c = 0; c < block.columns; ++c) {
            const double z = outputs[r * block.stride + c];
            const double target = targets[r * block.stride + c];
            sum += std::exp(z) - target * z;
            outputs[r * block.stride + c] = static_cast<float>((std::exp(z) - target) * scale);
        }
        losses[r] = static_cast<float>(sum);
    }
}

// Updates the moments with the gradient. Returns the direction of the step, which is subtracted from the weight after
// multiplication by the learning rate.
float direction(const Update& u, const Parameters& p, std::int64_t i, float gradient) {
    if (u.optimizer == Optimizer::sgd) return gradient;
    float& first = p.first_moment[i];
    if (u.optimizer < Optimizer::adam) {
        first = fused(u.momentum, first, gradient);
        return u.optimizer == Optimizer::nesterov ? fused(u.momentum, first, gradient) : first;
    }
    float& second = p.second_moment[i];
    first = fused(u.beta1, first, (1.0F - u.beta1) * gradient);
    second = fused(u.beta2, second, (1.0F - u.beta2) * (gradient * gradient));
    return first * u.correction1 / fused(std::sqrt(second), u.correction2, u.epsilon);
}

void update(const Update& u, const Parameters& p) noexcept {
    for_each(p.block, [&](std::int64_t i) {
        const float gradient = fused(u.l2, p.weights[i], p.gradient[i]);
        const float kept = p.weights[i] * u.decay;
        p.weights[i] = fused(-u.learning_rate, direction(u, p, i, gradient), kept);
    });
}

void transpose(const float* from, Block block, float* to, std::int64_t to_stride) noexcept {
    for (std::int64_t row = 0; row < block.rows; ++row) {
        for (std::int64_t column = 0; column < block.columns; ++column) {
            to[column * to_stride + row] = from[row * block.stride + column];
        }
    }
}

void gather(const float* from, std::int64_t stride, const std::uint32_t* numbers, std::int64_t rows,
            float* to) noexcept {
    for (std::int64_t row = 0; row < rows; ++row) std::copy_n(from + numbers[row] * stride, stride, to + row * stride);
}

float clip(float z) {
    const float y = std::clamp(z * (1.0F / kClip), -kFar, kFar);
    return kClip * (y / std::sqrt(1.0F + y * y));
}

template <typename Value>
bool standardize(const Value* from, const Standardization& scaling, float* to) noexcept {
    bool within = true;
    for (std::int64_t i = 0; i < scaling.columns; ++i) {
        const double x = from[i];
        const auto z = static_cast<float>((x - scaling.center[i]) * scaling.inverse[i]);
        to[i] = scaling.limit[i] > 0.0 ? clip(z) : z;
        if (std::isnan(x)) to[i] = 0.0F;
        if (std::abs(x) > std::numeric_limits<float>::max()) within = false;
    }
    return within;
}

bool finite(const float* values, std::int64_t size) noexcept {
    return std::all_of(values, values + size, [](float value) { return std::isfinite(value); });
}

void elementary(Elementary function, const float* x, float* y, std::int64_t size) noexcept {
    for (std::int64_t i = 0; i < size; ++i) {
        const double at = x[i];
        switch (function) {
            case Elementary::exp:
                y[i] = static_cast<float>(std::exp(at));
                break;
            case Elementary::log:
                y[i] = static_cast<float>(std::log(at));
                break;
            case Elementary::tanh:
                y[i] = static_cast<float>(std::tanh(at));
                break;
            case Elementary::sigmoid:
                y[i] = static_cast<float>(sigmoid(at));
                break;
        }
    }
}

float peak(std::int64_t vectors) noexcept {
    float sum = 0.0F;
    for (std::int64_t i = 0; i < vectors; ++i) sum = std::fma(sum, 0.5F, 0.25F);
    return sum;
}

}  // namespace

extern const Kernels kReference;
const Kernels kReference{"reference",
                         1,
                         true,
                         product,
                         product_bfloat16,
                         activate,
                         activate_parametric,
                         delta_parametric,
                         drop,
                         softmax,
                         softmax_delta,
                         squared_error,
                         pinball,
                         poisson,
                         update,
                         transpose,
                         gather,
                         embed,
                         embed_gradient,
                         scale_rows,
                         scale_gradient,
                         finite,
                         standardize<double>,
                         standardize<float>,
                         elementary,
                         peak};

}  // namespace ash
