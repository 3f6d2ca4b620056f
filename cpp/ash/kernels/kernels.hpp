// kernels.hpp: the arithmetic of networks, as one table of functions per instruction set.
//
// The same source (unit.hpp, which includes product.hpp, elementwise.hpp, losses.hpp, ...) is compiled once for each instruction set
// (unit_*.cpp); the table is chosen once, at run time (dispatch.cpp). reference.cpp holds a naive twin of every entry:
// the definition, and the oracle of the tests.
//
// Promise: with fma, an entry gives the same bits on every instruction set. A product is one chain of fused
// multiply-adds in order of k for each element; vectors run over columns, never over k. Sums over a row are chains in
// order of columns. Nothing depends on libm, on the width of a vector or on contraction by the compiler.
//
// Memory:  rows start on 64 bytes and are padded (shape.hpp). Unless an entry says otherwise, whole vectors are read and
//          written, padding included.
// Letters: M rows, N columns, K terms of a sum; strides count floats.
// Threads: pure functions of their arguments. Nothing allocates or throws.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ash/kernels/functions.hpp"

namespace ash {

enum class Start : std::uint8_t {
    bias,        // C = bias + A B; a null bias counts as zeros
    accumulate,  // C = C + A B, the chain goes on
    scale,       // C = C * (A B): a delta, where C held the slopes
};

// C[m][n] (by start) with sum over k of a[m * a_row + k * a_column] * b[k * b_stride + n], k = 0, 1, ...
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

// Floats of scratch for a product of such factors.
constexpr std::int64_t bfloat16_scratch(std::int64_t rows, std::int64_t columns, std::int64_t terms) {
    constexpr std::int64_t kMore = 32;  // to fill up a row, or the terms
    return (terms + kMore) * (rows + kMore + columns + kMore);
}

// A block of rows [rows][stride]; from `columns` on it is padding.
struct Block {
    std::int64_t rows;
    std::int64_t columns;
    std::int64_t stride;
};

// Masks of inverted dropout: element i of the block is kept, and multiplied by scale, iff hash(key, first + i) is at
// least the threshold. Places are modulo 2^32.
struct Dropout {
    std::uint32_t key;
    std::uint32_t first;
    std::uint32_t threshold;
    float scale;
};

// The numbers of one update. decay: factor of the weight before the update, 1 - learning_rate * weight_decay.
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

struct Parameters {  // a block each; moments may be null where the optimizer has none
    float* weights;
    const float* gradient;
    float* first_moment;
    float* second_moment;
    Block block;
};

// z = (x - center) * inverse in double, rounded to float; where the limit is kClip and not 0, the smooth clip of it in
// float: y = z * (1 / kClip), within +-2^30 so that no square overflows, and kClip * (y / sqrt(1 + y * y)). The clip is
// never beyond kClip. [columns] each.
struct Standardization {
    const double* center;
    const double* inverse;
    const double* limit;
    std::int64_t columns;
};

constexpr float kClip = 3.0F;      // the limit of a clip
constexpr float kFar = 0x1.0p30F;  // the clip of kClip * kFar is kClip

// The parameters of an embedding (embedding.hpp) [rows][stride], one column per number.
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
    // The same of factors rounded to bfloat16 (bfloat16.hpp). Rows of A, or its columns if a_row is 1,
    // are aligned and read in whole vectors, as those of B are. scratch: bfloat16_scratch() floats.
    void (*product_bfloat16)(const Product&, float* scratch) noexcept;
    // y := f(y); slope, if not null, := f'(y).
    void (*activate)(Activation, float* y, float* slope, Block) noexcept;
    // With a share a for each column: y := (1 - a) y + a f(y), just f(y) where a is 1. Unless they are null, slope :=
    // the slope of that, and excess := f(y) - y, its slope in a.
    void (*activate_parametric)(Activation, const float* shares, float* y, float* slope, float* excess, Block) noexcept;
    // excess := delta * excess, then delta := delta * slope: from the delta of such an activation those of a and of y.
    void (*delta_parametric)(float* delta, const float* slope, float* excess, Block) noexcept;
    // y and slope, and excess if not null, times the mask.
    void (*drop)(float* y, float* slope, float* excess, Block, Dropout) noexcept;
    // logits := probabilities, padding := 0; losses[row] := cross-entropy with smoothed label, if labels are given.
    void (*softmax)(float* logits, const std::int32_t* labels, float smoothing, float* losses, Block) noexcept;
    // probabilities := (probabilities - smoothed target) * scale: the delta of the last layer.
    void (*softmax_delta)(float* probabilities, const std::int32_t* labels, float smoothing, float scale,
                          Block) noexcept;
    // losses[row] := sum of squares of outputs - targets; outputs := (outputs - targets) * scale.
    void (*squared_error)(float* outputs, const float* targets, float scale, float* losses, Block) noexcept;
    // losses[row] := sum of the pinball losses at a level; outputs := their slopes * scale. The slope at 0 is -level.
    void (*pinball)(float* outputs, const float* targets, float level, float scale, float* losses, Block) noexcept;
    // losses[row] := sum of exp(output) - target * output; outputs := (exp(output) - target) * scale, padding := 0.
    void (*poisson)(float* outputs, const float* targets, float scale, float* losses, Block) noexcept;
    void (*update)(const Update&, const Parameters&) noexcept;
    // to[column * to_stride + row] := from[row * stride + column]; padding is neither read nor written.
    void (*transpose)(const float* from, Block, float* to, std::int64_t to_stride) noexcept;
    // to[row] := from[numbers[row]], whole rows of `stride` floats.
    void (*gather)(const float* from, std::int64_t stride, const std::uint32_t* numbers, std::int64_t rows,
                   float* to) noexcept;
    // to[row * to_stride + d * numbers + i] := value d of number i; x [rows][stride].
    void (*embed)(const Periodic&, const float* x, std::int64_t rows, float* to, std::int64_t to_stride) noexcept;
    // gradient [rows of parameters][16], of the 16 numbers from `first` on, a multiple of 16; deltas are those of what
    // embed() wrote, and are read up to 15 floats beyond.
    void (*embed_gradient)(const Periodic&, std::int64_t first, const float* x, const float* deltas,
                           std::int64_t delta_stride, std::int64_t rows, float* gradient) noexcept;
    // to[row] := from[row] * factors[row].
    void (*scale_rows)(const float* from, const float* factors, float* to, Block) noexcept;
    // dots[row] := weights[row] . gradient[row], in 16 lanes and then by halves; gradient[row] *= factors[row].
    void (*scale_gradient)(const float* weights, const float* factors, float* gradient, float* dots, Block) noexcept;
    bool (*finite)(const float* values, std::int64_t size) noexcept;
    // to[i] := from[i] standardized (scaling.hpp), or 0 for NaN, which is a missing value. Returns whether all others are
    // in the range of float32. It uses no fma, so bits are the same on every instruction set, baseline included.
    bool (*standardize)(const double* from, const Standardization&, float* to) noexcept;
    bool (*standardize_floats)(const float* from, const Standardization&, float* to) noexcept;
    // y[i] := f(x[i]) at any address: for what is computed once per target or prediction. y may be x.
    void (*elementary)(Elementary, const float* x, float* y, std::int64_t size) noexcept;
    // For benches: this number of fused multiply-adds of whole vectors (a multiple of 24), as independent as in a product.
    float (*peak)(std::int64_t vectors) noexcept;
};

extern const Kernels kReference;  // naive; for tests and benches, which link ash_reference

// Built here and runnable on this processor, the best first; never empty.
std::span<const Kernels* const> available_kernels();

// By name; "" is the best. Throws std::invalid_argument that lists the available ones.
const Kernels& kernels(std::string_view name);

}  // namespace ash
