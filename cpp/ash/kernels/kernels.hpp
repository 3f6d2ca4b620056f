// kernels.hpp: the arithmetic of networks, as one function table per instruction set.
//
// The same source (unit.hpp, which includes product.hpp, elementwise.hpp, losses.hpp, ...) is compiled once for each
// instruction set (unit_*.cpp). The table is chosen once, at run time (dispatch.cpp). reference.cpp holds a naive twin
// of every function. The twins define the results and are the oracle of the tests.
//
// Promise: a function gives the same bits on every instruction set with fma. Each element of a product is one chain of
// fused multiply-adds in order of k, except in product_bfloat16, which adds groups of 32 terms (bfloat16.hpp). SIMD
// vectors run over columns, never over k. Sums over a row are chains in column order, except in scale_gradient. Nothing
// depends on libm, on the vector width or on contraction by the compiler.
//
// Memory:  rows start on 64-byte boundaries and are padded (shape.hpp). Unless stated otherwise, functions read and
//          write whole vectors, including padding.
// Letters: M rows, N columns, K terms of a sum; strides count floats.
// Threads: pure functions of their arguments. They never allocate or throw.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ash/kernels/functions.hpp"

namespace ash {

enum class Start : std::uint8_t {
    bias,        // C = bias + A B; a null bias counts as zeros
    accumulate,  // C = C + A B; each chain of additions starts with the value in C
    scale,       // C = C * (A B), element by element; yields deltas if C holds the slopes
};

// A product: the sum of a[m * a_row + k * a_column] * b[k * b_stride + n] over k = 0, 1, ... is combined with C[m][n]
// as `start` says.
struct Product {
    const float* a;
    std::int64_t a_row;
    std::int64_t a_column;
    const float* b;  // [K][b_stride]
    std::int64_t b_stride;
    float* c;  // [M][c_stride]
    std::int64_t c_stride;
    std::int64_t rows;     // M
    std::int64_t columns;  // N
    std::int64_t terms;    // K
    Start start = Start::bias;
    const float* bias = nullptr;  // [N]
};

// Returns the number of scratch floats for a bfloat16 product of these dimensions.
constexpr std::int64_t bfloat16_scratch(std::int64_t rows, std::int64_t columns, std::int64_t terms) {
    constexpr std::int64_t kMore = 32;  // limit on the padding of each dimension
    return (terms + kMore) * (rows + kMore + columns + kMore);
}

// A block of rows [rows][stride]; the columns from `columns` on are padding.
struct Block {
    std::int64_t rows;
    std::int64_t columns;
    std::int64_t stride;
};

// The mask of inverted dropout: element i of the block is multiplied by `scale` if hash(key, first + i) is at least the
// threshold, else by 0. Element numbers are taken modulo 2^32.
struct Dropout {
    std::uint32_t key;
    std::uint32_t first;
    std::uint32_t threshold;
    float scale;
};

// The constants of update number t. decay: factor on the weight before the update, 1 - learning_rate * weight_decay.
struct Update {
    Optimizer optimizer;
    float learning_rate;
    float momentum;
    float beta1;
    float beta2;
    float epsilon;
    float l2;
    float decay;
    float correction1;  // 1 / (1 - beta1^t)
    float correction2;  // 1 / sqrt(1 - beta2^t)
};

struct Parameters {  // arrays laid out as `block`; moments that the optimizer does not use may be null
    float* weights;
    const float* gradient;
    float* first_moment;
    float* second_moment;
    Block block;
};

// z = (x - center) * inverse in double, rounded to float. If the limit is kClip rather than 0, z is clipped smoothly in
// float: y = z * (1 / kClip), limited to +-2^30 so that no square overflows, then kClip * (y / sqrt(1 + y * y)). The
// result never exceeds kClip in magnitude. Each array is [columns].
struct Standardization {
    const double* center;
    const double* inverse;
    const double* limit;
    std::int64_t columns;
};

constexpr float kClip = 3.0F;      // the limit of the smooth clip
constexpr float kFar = 0x1.0p30F;  // the limit of |y|

// The parameters of an embedding (embedding.hpp) [rows][stride], one column per embedded feature.
struct Periodic {
    const float* parameters;
    std::int64_t stride;
    std::int64_t numbers;
};

enum class Elementary : std::uint8_t { exp, log, tanh, sigmoid };

struct Kernels {
    const char* name;
    int lanes;  // floats per vector
    bool fma;

    void (*product)(const Product&) noexcept;
    // Computes a product like product(), but with factors rounded to bfloat16 (bfloat16.hpp). Rows of A (its columns if
    // a_row is 1) must be aligned and are read in whole vectors, like the rows of B. scratch: bfloat16_scratch()
    // floats.
    void (*product_bfloat16)(const Product&, float* scratch) noexcept;
    // y := f(x) and, if slope is not null, slope := f'(x), where x is the old value of y.
    void (*activate)(Activation, float* y, float* slope, Block) noexcept;
    // y := (1 - a) x + a f(x), where x is the old value of y, and a is the share of the column. The result is exactly
    // f(x) if a is 1. If slope is not null, slope := the derivative of the result with respect to x, and excess :=
    // f(x) - x, the derivative with respect to a.
    void (*activate_parametric)(Activation, const float* shares, float* y, float* slope, float* excess, Block) noexcept;
    // excess := delta * excess, which is the delta of a. Then delta := delta * slope, which is the delta of x.
    void (*delta_parametric)(float* delta, const float* slope, float* excess, Block) noexcept;
    // Multiplies y, slope and excess by the dropout mask. excess may be null, in which case it is skipped.
    void (*drop)(float* y, float* slope, float* excess, Block, Dropout) noexcept;
    // logits := probabilities; padding that is 0 stays 0. If labels is not null, losses[row] := cross-entropy with the
    // smoothed label.
    void (*softmax)(float* logits, const std::int32_t* labels, float smoothing, float* losses, Block) noexcept;
    // probabilities := (probabilities - smoothed target) * scale, the delta of the last layer; padding := 0.
    void (*softmax_delta)(float* probabilities, const std::int32_t* labels, float smoothing, float scale,
                          Block) noexcept;
    // losses[row] := sum of (output - target)^2; outputs := (outputs - targets) * scale.
    void (*squared_error)(float* outputs, const float* targets, float scale, float* losses, Block) noexcept;
    // losses[row] := sum of pinball losses at `level`; outputs := their derivatives * scale. The derivative at the
    // target is -level.
    void (*pinball)(float* outputs, const float* targets, float level, float scale, float* losses, Block) noexcept;
    // losses[row] := sum of (exp(output) - target * output); outputs := (exp(output) - target) * scale, padding := 0.
    void (*poisson)(float* outputs, const float* targets, float scale, float* losses, Block) noexcept;
    void (*update)(const Update&, const Parameters&) noexcept;
    // to[column * to_stride + row] := from[row * stride + column]; padding is neither read nor written.
    void (*transpose)(const float* from, Block, float* to, std::int64_t to_stride) noexcept;
    // to[row] := from[numbers[row]], as whole rows of `stride` floats.
    void (*gather)(const float* from, std::int64_t stride, const std::uint32_t* numbers, std::int64_t rows,
                   float* to) noexcept;
    // to[row * to_stride + d * numbers + i] := embedded value d of numeric feature i; x is [rows][stride].
    void (*embed)(const Periodic&, const float* x, std::int64_t rows, float* to, std::int64_t to_stride) noexcept;
    // gradient [rows of parameters][16] := the gradient of the parameters of 16 embedded features, starting at feature
    // `first`, a multiple of 16. deltas: the deltas of embed()'s results. They are read up to 15 floats beyond
    // their end.
    void (*embed_gradient)(const Periodic&, std::int64_t first, const float* x, const float* deltas,
                           std::int64_t delta_stride, std::int64_t rows, float* gradient) noexcept;
    // to[row] := from[row] * factors[row].
    void (*scale_rows)(const float* from, const float* factors, float* to, Block) noexcept;
    // dots[row] := dot product of weights[row] and gradient[row], summed in 16 lanes. Then the upper half of the lanes
    // is added to the lower half until one lane is left. Afterwards gradient[row] *= factors[row].
    void (*scale_gradient)(const float* weights, const float* factors, float* gradient, float* dots, Block) noexcept;
    bool (*finite)(const float* values, std::int64_t size) noexcept;
    // to[i] := from[i] standardized (scaling.hpp), or 0 for NaN, which is a missing value. Returns whether all values
    // except NaN are within the range of float32. The function uses no fma, so the bits are the same on every
    // instruction set, including baseline.
    bool (*standardize)(const double* from, const Standardization&, float* to) noexcept;
    bool (*standardize_floats)(const float* from, const Standardization&, float* to) noexcept;
    // y[i] := f(x[i]), for conversions of targets and predictions. x and y need no alignment and may be equal.
    void (*elementary)(Elementary, const float* x, float* y, std::int64_t size) noexcept;
    // Runs `vectors` fused multiply-adds of whole vectors, in as many independent chains as a product tile has sums;
    // for benchmarks. REQUIRES: `vectors` is a multiple of 48, hence of the number of chains, which is 12 or 16.
    float (*peak)(std::int64_t vectors) noexcept;
};

extern const Kernels kReference;  // naive; for tests and benchmarks, which link ash_reference

// Returns the tables that were built and can run on this processor, best first; never empty.
std::span<const Kernels* const> available_kernels();

// Returns the table of this name, or the best for "". Throws std::invalid_argument with the list of available names.
const Kernels& kernels(std::string_view name);

}  // namespace ash
