// propagation.hpp: layers as forward and backward passes over blocks, on the kernels.
//
//     x -> [W0 b0] -> f -> [W1 b1] -> f -> ... -> [W b] -> outputs -> loss
//                     |          |                  |
//     deltas:      S * (D W1^T) <- S * (D W^T) <-   D       S: slopes of f, written by the forward pass
//
// Layouts (B = capacity of the buffers in rows, L = a layer's number, S = its stride):
//     outputs, deltas   layer after layer: [B][S]; the last layer's outputs are written into deltas and become D there
//     transposed        W^T of a layer: [outputs][padded(inputs)]
// Invariants: (1) padding columns of x, weights, transposed and deltas are zero as far as whole vectors reach;
//             (2) transposed equals the weights it was made from.
// Threads:    functions of disjoint blocks may run at once: rows for forward() and backward(), rows of weights for
//             update_weights().
// Cost:       2 * weights * rows operations each for forward(), backward() and the gradient; none of them allocates.
#pragma once

#include <cstdint>

#include "ash/kernels/kernels.hpp"
#include "ash/layout.hpp"
#include "ash/state.hpp"

namespace ash {

struct Span {  // of rows
    std::int64_t first;
    std::int64_t count;
};

// The buffers of one batch; shapes above.
struct Batch {
    std::int64_t rows;
    const float* inputs;  // [rows][input_stride]
    std::int64_t input_stride;
    float* outputs;
    float* deltas;
    std::int64_t capacity;
    float* transposed;

    // What layer `layer` reads, from row `row` on.
    const float* inputs_of(const Layout& layout, std::size_t layer, std::int64_t row) const;
    std::int64_t input_stride_of(const Layout& layout, std::size_t layer) const;
    float* deltas_of(const Layer& layer, std::int64_t row) const {
        return deltas + capacity * layer.row_offset + row * layer.stride;
    }
    float* outputs_of(const Layer& layer, std::int64_t row) const {
        return outputs + capacity * layer.row_offset + row * layer.stride;
    }
};

struct Mask {  // dropout of one update
    float share = 0.0F;
    std::uint64_t seed = 0;
    std::uint32_t candidate = 0;
    std::uint32_t update = 0;
};

// Training: outputs and slopes of all layers; the last layer's outputs lie in deltas_of(last).
void forward(const Kernels& kernels, const Layout& layout, const float* weights, const Mask& mask, const Batch& batch,
             Span rows);

// Prediction: the last layer's outputs go to `results` [rows.count][stride of the last layer], no slopes are kept.
void predict(const Kernels& kernels, const Layout& layout, const float* weights, const Batch& batch, Span rows,
             float* results);

// From the delta of the last layer to those of all others.
void backward(const Kernels& kernels, const Layout& layout, const Batch& batch, Span rows);

// Gradient, update and transposed copy of some rows of a layer's weights, or of its biases.
void update_weights(const Kernels& kernels, const Update& update, std::size_t layer, Span rows, const Batch& batch,
                    State& state, float* gradient);
void update_biases(const Kernels& kernels, const Update& update, std::size_t layer, const Batch& batch, State& state,
                   float* gradient);

// W^T of all layers but the first, padding zeroed.
void transpose_all(const Kernels& kernels, const Layout& layout, const float* weights, float* transposed);

}  // namespace ash
