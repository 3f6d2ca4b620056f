#include "ash/propagation.hpp"

#include <algorithm>

#include "ash/random.hpp"
#include "ash/workspace.hpp"

namespace ash {
namespace {

// Rows of a batch that a gradient takes in before the next tile of weights: their deltas, 64 bytes a row, stay in the
// first cache. The chain of additions goes on where it was, so the split changes no bit.
constexpr std::int64_t kBlockTerms = 256;

// c [rows.count][stride] := x W + b
void affine(const Kernels& kernels, const Layer& layer, const float* weights, const float* x, std::int64_t x_stride,
            std::int64_t rows, float* c) {
    const float* w = weights + layer.offset;
    kernels.product({.a = x,
                     .a_row = x_stride,
                     .a_column = 1,
                     .b = w,
                     .b_stride = layer.stride,
                     .c = c,
                     .c_stride = layer.stride,
                     .rows = rows,
                     .columns = layer.outputs,
                     .terms = layer.inputs,
                     .start = Start::bias,
                     .bias = w + layer.inputs * layer.stride});
}

Dropout dropout_of(const Mask& mask, std::size_t layer, std::int64_t first) {
    const Place place{mask.candidate, Purpose::dropout, static_cast<std::uint32_t>(layer), mask.update};
    return {.key = draw(mask.seed, place, 0)[0],
            .first = static_cast<std::uint32_t>(first),
            .threshold = static_cast<std::uint32_t>(static_cast<double>(mask.share) * 0x1.0p32),
            .scale = 1.0F / (1.0F - mask.share)};
}

// gradient [count][stride] := A^T D over all rows of the batch, A given by its strides.
void gradient_of(const Kernels& kernels, const Layer& layer, const float* a, std::int64_t a_row, std::int64_t a_column,
                 std::int64_t count, const Batch& batch, float* gradient) {
    for (std::int64_t first = 0; first < batch.rows; first += kBlockTerms) {
        kernels.product({.a = a + first * a_column,
                         .a_row = a_row,
                         .a_column = a_column,
                         .b = batch.deltas_of(layer, first),
                         .b_stride = layer.stride,
                         .c = gradient,
                         .c_stride = layer.stride,
                         .rows = count,
                         .columns = layer.outputs,
                         .terms = std::min(kBlockTerms, batch.rows - first),
                         .start = first == 0 ? Start::bias : Start::accumulate});
    }
}

float* at(AlignedFloats& floats, std::int64_t offset) { return floats.size() == 0 ? nullptr : floats.data() + offset; }

Parameters parameters_of(State& state, const Layer& layer, Span rows, const float* gradient) {
    const std::int64_t offset = layer.offset + rows.first * layer.stride;
    return {.weights = state.weights.data() + offset,
            .gradient = gradient,
            .first_moment = at(state.first_moment, offset),
            .second_moment = at(state.second_moment, offset),
            .block = {rows.count, layer.outputs, layer.stride}};
}

}  // namespace

const float* Batch::inputs_of(const Layout& layout, std::size_t layer, std::int64_t row) const {
    return layer == 0 ? inputs + row * input_stride : outputs_of(layout.layers()[layer - 1], row);
}

std::int64_t Batch::input_stride_of(const Layout& layout, std::size_t layer) const {
    return layer == 0 ? input_stride : layout.layers()[layer - 1].stride;
}

void forward(const Kernels& kernels, const Layout& layout, const float* weights, const Mask& mask, const Batch& batch,
             Span rows) {
    const std::size_t last = layout.layers().size() - 1;
    for (std::size_t l = 0; l <= last; ++l) {
        const Layer& layer = layout.layers()[l];
        const float* x = batch.inputs_of(layout, l, rows.first);
        float* slopes = batch.deltas_of(layer, rows.first);
        float* y = l == last ? slopes : batch.outputs_of(layer, rows.first);
        affine(kernels, layer, weights, x, batch.input_stride_of(layout, l), rows.count, y);
        if (l == last) return;
        const Block block{rows.count, layer.outputs, layer.stride};
        kernels.activate(layer.activation, y, slopes, block);
        if (mask.share > 0.0F) kernels.drop(y, slopes, block, dropout_of(mask, l, rows.first * layer.stride));
    }
}

void predict(const Kernels& kernels, const Layout& layout, const float* weights, const Batch& batch, Span rows,
             float* results) {
    const std::size_t last = layout.layers().size() - 1;
    for (std::size_t l = 0; l <= last; ++l) {
        const Layer& layer = layout.layers()[l];
        // Only one block is under way, so all of its layers start at row 0 of the buffers, the inputs excepted.
        const float* x = batch.inputs_of(layout, l, l == 0 ? rows.first : 0);
        float* y = l == last ? results : batch.outputs_of(layer, 0);
        affine(kernels, layer, weights, x, batch.input_stride_of(layout, l), rows.count, y);
        if (l < last) kernels.activate(layer.activation, y, nullptr, {rows.count, layer.outputs, layer.stride});
    }
}

void backward(const Kernels& kernels, const Layout& layout, const Batch& batch, Span rows) {
    for (std::size_t l = layout.layers().size() - 1; l > 0; --l) {
        const Layer& layer = layout.layers()[l];
        const Layer& below = layout.layers()[l - 1];
        kernels.product({.a = batch.deltas_of(layer, rows.first),
                         .a_row = layer.stride,
                         .a_column = 1,
                         .b = batch.transposed + layer.transposed,
                         .b_stride = layer.transposed_stride(),
                         .c = batch.deltas_of(below, rows.first),
                         .c_stride = below.stride,
                         .rows = rows.count,
                         .columns = layer.inputs,
                         .terms = layer.outputs,
                         .start = Start::scale});
    }
}

void update_weights(const Kernels& kernels, const Update& update, std::size_t l, Span rows, const Batch& batch,
                    State& state, float* gradient) {
    const Layer& layer = state.layout.layers()[l];
    const float* x = batch.inputs_of(state.layout, l, 0) + rows.first;
    gradient_of(kernels, layer, x, 1, batch.input_stride_of(state.layout, l), rows.count, batch, gradient);
    const Parameters parameters = parameters_of(state, layer, rows, gradient);
    kernels.update(update, parameters);
    if (l == 0) return;
    kernels.transpose(parameters.weights, parameters.block, batch.transposed + layer.transposed + rows.first,
                      layer.transposed_stride());
}

void update_biases(const Kernels& kernels, const Update& update, std::size_t l, const Batch& batch, State& state,
                   float* gradient) {
    constexpr float kOne = 1.0F;  // a bias is the weight of an input that is always 1
    const Layer& layer = state.layout.layers()[l];
    gradient_of(kernels, layer, &kOne, 0, 0, 1, batch, gradient);
    Update plain = update;
    plain.l2 = 0.0F;
    plain.decay = 1.0F;
    kernels.update(plain, parameters_of(state, layer, {layer.inputs, 1}, gradient));
}

void transpose_all(const Kernels& kernels, const Layout& layout, const float* weights, float* transposed) {
    std::fill_n(transposed, layout.transposed_size(), 0.0F);  // padding held weights of a network of another shape
    for (const Layer& layer : layout.layers().subspan(1)) {
        kernels.transpose(weights + layer.offset, {layer.inputs, layer.outputs, layer.stride},
                          transposed + layer.transposed, layer.transposed_stride());
    }
}

}  // namespace ash
