// propagation.hpp: the forward and backward passes of the layers over blocks of rows, built on the kernels.
//
//     x -> [W0 b0] -> f -> [W1 b1] -> f -> ... -> [W b] -> outputs -> loss
//                     |          |                  |
//     deltas:      S * (D W1^T) <- S * (D W^T) <-   D       S: slopes of f, written by the forward pass
//                                                           D: deltas of the outputs of the layer with weights W
//
//     parametric f: y = x + a Q with the excess Q = f(x) - x. If y has the delta E, the delta of x is S * E, and
//                   the delta of a is Q * E
//     inputs of layer 0: x; with an embedding, x and the embedded values of its numeric features (`numbers`)
// Layouts (B: capacity of the buffers in rows):
//     outputs, deltas   layer after layer: [B][stride]. The last layer's outputs are stored in deltas and replaced by D
//     slopes, excesses  the same shape, only for parametric activations. slopes: S; excesses: Q, then replaced by Q * E
//     copies            W^T of each layer (of layer 0 only with an embedding): [outputs][padded(inputs)]. If input
//                       factors are learned, also W of layer 0 times the factors, in the shape of W
// Invariants: (1) padding columns of x, weights, copies and deltas are zero up to the end of the last SIMD register;
//             (2) copies match the current weights.
// Threads:    several threads may call a function at once on disjoint blocks: rows of the batch for forward() and
//             backward(), rows of weights for update_weights(), embedded features for update_embedding().
// Cost:       2 * weights * rows operations each for forward(), backward() and the gradient. No function allocates.
#pragma once

#include <cstdint>
#include <span>

#include "ash/kernels/kernels.hpp"
#include "ash/model/layout.hpp"
#include "ash/model/state.hpp"

namespace ash {

struct Span {  // a range of rows
    std::int64_t first;
    std::int64_t count;
};

// The buffers of one batch. The header of this file lists their shapes.
struct Batch {
    std::int64_t rows;
    const float* inputs;  // [rows][input_stride]: the inputs of layer 0
    std::int64_t input_stride;
    const float* numbers;  // [rows][stride of the embedding], if there is an embedding
    float* input_deltas;   // [B][input_stride], if there is an embedding
    float* outputs;
    float* deltas;
    float* slopes;  // slopes and excesses are used only with parametric activations
    float* excesses;
    std::int64_t capacity;
    float* copies;

    // Returns the inputs of layer `layer`, starting at row `row`.
    const float* inputs_of(const Layout& layout, std::size_t layer, std::int64_t row) const;
    std::int64_t input_stride_of(const Layout& layout, std::size_t layer) const;
    float* deltas_of(const Layer& layer, std::int64_t row) const { return at(deltas, layer, row); }
    float* outputs_of(const Layer& layer, std::int64_t row) const { return at(outputs, layer, row); }
    // Slopes of non-parametric activations are stored where the deltas will be written.
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

struct Mask {            // the dropout of one update; the fields after `share` determine its random numbers
    float share = 0.0F;  // share of outputs that are dropped
    std::uint64_t seed = 0;
    std::uint32_t candidate = 0;
    std::uint32_t update = 0;
};

// Writes `numbers` [rows][stride] (the numeric features of x) and `inputs` [rows][input_stride] (each row of x followed
// by the embedded values of its numeric features). columns: the columns of the numeric features in x.
void embed(const Kernels& kernels, const Layout& layout, const float* weights, std::span<const int> columns,
           const float* x, std::int64_t x_stride, std::int64_t rows, float* numbers, float* inputs);

// The training pass: computes outputs and slopes of all layers. The last layer's outputs are stored in deltas_of(last).
// rounded, here and below: the thread's scratch for bfloat16 products (Workspace::rounded).
void forward(const Kernels& kernels, const Layout& layout, const float* weights, const Mask& mask, const Batch& batch,
             Span rows, float* rounded);

// Scratch of predict() for up to kBlockRows rows: outputs of all layers, and the buffers of the embedding.
struct PredictionScratch {
    float* outputs;       // [kBlockRows * row_floats]
    float* numbers;       // [kBlockRows][stride of the embedding]
    float* embedded;      // [kBlockRows][padded(inputs of layer 0)]
    const float* copies;  // copies of the weights, read only if input factors are learned
};

// Predicts for x [rows][x_stride] of at most kBlockRows rows. The last layer's outputs are written to `results`
// [rows][stride of that layer]. columns: as for embed().
void predict(const Kernels& kernels, const Layout& layout, const float* weights, std::span<const int> columns,
             const float* x, std::int64_t x_stride, std::int64_t rows, const PredictionScratch& scratch,
             float* results);

// Computes the deltas of all layers below the last from the last layer's deltas. If there is an embedding, the deltas
// of the inputs are computed as well.
void backward(const Kernels& kernels, const Layout& layout, const Batch& batch, Span rows, float* rounded);

// Compute the gradient of some rows of a layer's weights, or of its biases and shares (parametric.hpp), and update
// these parameters. update_weights() also updates the input factors of these rows, if factors are learned, and
// refreshes the copies of these rows.
void update_weights(const Kernels& kernels, const Update& update, std::size_t layer, Span rows, const Batch& batch,
                    State& state, float* gradient, float* rounded);
void update_biases(const Kernels& kernels, const Update& update, std::size_t layer, const Batch& batch, State& state,
                   float* gradient);

// Computes the gradient of the embedding of up to 16 features, starting at a multiple of 16, and updates the
// parameters.
void update_embedding(const Kernels& kernels, const Update& update, Span numbers, const Batch& batch, State& state,
                      float* gradient);

// Refresh all copies of the weights, or only the copy that predict() reads: the first layer's weights times the input
// factors.
void copy_all(const Kernels& kernels, const Layout& layout, const float* weights, float* copies);
void copy_scaled(const Kernels& kernels, const Layout& layout, const float* weights, float* copies);

}  // namespace ash
