// propagation.hpp: layers as forward and backward passes over blocks, on the kernels.
//
//     x -> [W0 b0] -> f -> [W1 b1] -> f -> ... -> [W b] -> outputs -> loss
//                     |          |                  |
//     deltas:      S * (D W1^T) <- S * (D W^T) <-   D       S: slopes of f, written by the forward pass
//
//     a parametric f: y = x + a Q, with the excess Q = f(x) - x; from the delta E of y come D = S * E and, for a, Q * E
//     numbers of x -> embedding -> x and what the embedding makes of them, where there is one; x otherwise
//
// Layouts (B = capacity of the buffers in rows, L = a layer's number, S = its stride):
//     outputs, deltas   layer after layer: [B][S]; the last layer's outputs are written into deltas and become D there
//     slopes, excesses  the same, where activations are parametric: S; Q, which becomes Q * E
//     copies            W^T of a layer: [outputs][padded(inputs)]; factors * W of layer 0: as W
// Invariants: (1) padding columns of x, weights, copies and deltas are zero as far as whole vectors reach;
//             (2) copies are those of the weights as they are.
// Threads:    functions of disjoint blocks may run at once: rows for forward() and backward(), rows of weights for
//             update_weights(), numbers for update_embedding().
// Cost:       2 * weights * rows operations each for forward(), backward() and the gradient; none of them allocates.
#pragma once

#include <cstdint>
#include <span>

#include "ash/kernels/kernels.hpp"
#include "ash/model/layout.hpp"
#include "ash/model/state.hpp"

namespace ash {

struct Span {  // of rows
    std::int64_t first;
    std::int64_t count;
};

// The buffers of one batch; shapes above.
struct Batch {
    std::int64_t rows;
    const float* inputs;  // [rows][input_stride] of layer 0
    std::int64_t input_stride;
    const float* numbers;  // [rows][stride of the embedding], where there is one
    float* input_deltas;   // [B][input_stride], where there is an embedding
    float* outputs;
    float* deltas;
    float* slopes;  // this and the next are read and written where activations are parametric
    float* excesses;
    std::int64_t capacity;
    float* copies;

    // What layer `layer` reads, from row `row` on.
    const float* inputs_of(const Layout& layout, std::size_t layer, std::int64_t row) const;
    std::int64_t input_stride_of(const Layout& layout, std::size_t layer) const;
    float* deltas_of(const Layer& layer, std::int64_t row) const { return at(deltas, layer, row); }
    float* outputs_of(const Layer& layer, std::int64_t row) const { return at(outputs, layer, row); }
    // Slopes of what is not parametric lie where the deltas come.
    float* slopes_of(const Layer& layer, std::int64_t row) const {
        return at(layer.parametric ? slopes : deltas, layer, row);
    }
    float* excesses_of(const Layer& layer, std::int64_t row) const {
        return layer.parametric ? at(excesses, layer, row) : nullptr;
    }
    float* at(float* buffer, const Layer& layer, std::int64_t row) const {
        return buffer + capacity * layer.row_offset + row * layer.stride;
    }
};

struct Mask {  // dropout of one update
    float share = 0.0F;
    std::uint64_t seed = 0;
    std::uint32_t candidate = 0;
    std::uint32_t update = 0;
};

// inputs [rows][input_stride] := rows of x, then what the embedding makes of their numbers; numbers [rows][stride] := those.
// columns: which of the features are the numbers.
void embed(const Kernels& kernels, const Layout& layout, const float* weights, std::span<const int> columns,
           const float* x, std::int64_t x_stride, std::int64_t rows, float* numbers, float* inputs);

// Training: outputs and slopes of all layers; the last layer's outputs lie in deltas_of(last).
// rounded, here and below: scratch of the thread, for products in bfloat16 (Workspace::rounded).
void forward(const Kernels& kernels, const Layout& layout, const float* weights, const Mask& mask, const Batch& batch,
             Span rows, float* rounded);

// Scratch of a prediction, for so many rows: outputs of all layers, and what an embedding needs.
struct PredictionScratch {
    float* outputs;   // [rows * row_floats]
    float* numbers;   // [rows][stride of the embedding]
    float* embedded;  // [rows][padded(inputs of layer 0)]
    const float* copies;
};

// Prediction for x [rows][x_stride], at most kBlockRows: the last layer's outputs go to `results` [rows][its stride].
// columns: as of embed().
void predict(const Kernels& kernels, const Layout& layout, const float* weights, std::span<const int> columns,
             const float* x, std::int64_t x_stride, std::int64_t rows, const PredictionScratch& scratch,
             float* results);

// From the delta of the last layer to those of all others, and of the inputs where there is an embedding.
void backward(const Kernels& kernels, const Layout& layout, const Batch& batch, Span rows, float* rounded);

// Gradient, update and transposed copy of some rows of a layer's weights, or of its biases and shares.
void update_weights(const Kernels& kernels, const Update& update, std::size_t layer, Span rows, const Batch& batch,
                    State& state, float* gradient, float* rounded);
void update_biases(const Kernels& kernels, const Update& update, std::size_t layer, const Batch& batch, State& state,
                   float* gradient);

// Gradient and update of the parameters of up to 16 numbers, from a multiple of 16 on.
void update_embedding(const Kernels& kernels, const Update& update, Span numbers, const Batch& batch, State& state,
                      float* gradient);

// All copies of the weights, or the one that predict() reads: the first layer times the factors of its inputs.
void copy_all(const Kernels& kernels, const Layout& layout, const float* weights, float* copies);
void copy_scaled(const Kernels& kernels, const Layout& layout, const float* weights, float* copies);

}  // namespace ash
