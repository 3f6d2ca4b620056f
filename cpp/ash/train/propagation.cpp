#include "ash/train/propagation.hpp"

#include <algorithm>
#include <iterator>

#include "ash/data/random.hpp"
#include "ash/kernels/embedding.hpp"
#include "ash/train/workspace.hpp"

namespace ash {
namespace {

// Computes a product. rounded: scratch memory if the factors are rounded to bfloat16, else null.
void multiply(const Kernels& kernels, const Product& product, float* rounded) {
    if (rounded == nullptr) return kernels.product(product);
    kernels.product_bfloat16(product, rounded);
}

// Returns the weights of a layer as the passes read them. The weights of layer 0 are multiplied by learned
// input factors, if there are any.
const float* weights_of(const Layout& layout, std::size_t l, const float* weights, const float* copies) {
    return l == 0 && layout.scaling().learned ? copies + layout.scaling().copy : weights + layout.layers()[l].offset;
}

// c [rows][stride] := x W + b
void affine(const Kernels& kernels, const Layout& layout, std::size_t l, const float* weights, const float* copies,
            const float* x, std::int64_t x_stride, std::int64_t rows, float* c, float* rounded) {
    const Layer& layer = layout.layers()[l];
    multiply(kernels,
             {.a = x,
              .a_row = x_stride,
              .a_column = 1,
              .b = weights_of(layout, l, weights, copies),
              .b_stride = layer.stride,
              .c = c,
              .c_stride = layer.stride,
              .rows = rows,
              .columns = layer.outputs,
              .terms = layer.inputs,
              .start = Start::bias,
              .bias = weights + layer.offset + layer.inputs * layer.stride},
             rounded);
}

Dropout dropout_of(const Mask& mask, std::size_t layer, std::int64_t first) {
    const Stream stream{mask.candidate, Purpose::dropout, static_cast<std::uint32_t>(layer), mask.update};
    return {.key = draw(mask.seed, stream, 0)[0],
            .first = static_cast<std::uint32_t>(first),
            .threshold = static_cast<std::uint32_t>(static_cast<double>(mask.share) * 0x1.0p32),
            .scale = 1.0F / (1.0F - mask.share)};
}

// y [rows][stride] := the activation of y; for slopes and excesses see kernels.hpp.
void activate(const Kernels& kernels, const Layer& layer, const float* weights, float* y, float* slopes,
              float* excesses, std::int64_t rows) {
    const Block block{rows, layer.outputs, layer.stride};
    if (layer.parametric)
        return kernels.activate_parametric(layer.activation, weights + layer.shares(), y, slopes, excesses, block);
    kernels.activate(layer.activation, y, slopes, block);
}

// Computes a product that sums over the rows of a batch, kBlockTerms rows at a time.
void multiply_by_blocks(const Kernels& kernels, const Product& whole, float* rounded) {
    for (std::int64_t first = 0; first < whole.terms; first += kBlockTerms) {
        Product part = whole;
        part.a += first * whole.a_column;
        part.b += first * whole.b_stride;
        part.terms = std::min(kBlockTerms, whole.terms - first);
        part.start = first == 0 ? Start::bias : Start::accumulate;
        multiply(kernels, part, rounded);
    }
}

// gradient [rows.count][stride] := the given rows of X^T D, summed over the batch. With few outputs, most of each SIMD
// register would be padding. In that case (D^T X)^T is computed, with SIMD registers that run over the inputs. The
// gradient has the same bits, since multiplication is commutative. REQUIRES: rows.first is a multiple of 16.
void gradient_of(const Kernels& kernels, const Layer& layer, const float* x, std::int64_t x_stride, Span rows,
                 const float* deltas, std::int64_t batch, float* gradient, float* rounded) {
    constexpr int kFew = 12;
    if (layer.outputs > kFew) {
        return multiply_by_blocks(kernels,
                                  {.a = x + rows.first,
                                   .a_row = 1,
                                   .a_column = x_stride,
                                   .b = deltas,
                                   .b_stride = layer.stride,
                                   .c = gradient,
                                   .c_stride = layer.stride,
                                   .rows = rows.count,
                                   .columns = layer.outputs,
                                   .terms = batch},
                                  rounded);
    }
    alignas(kAlignment) float turned[kLineFloats * kBlockWeights];
    multiply_by_blocks(kernels,
                       {.a = deltas,
                        .a_row = 1,
                        .a_column = layer.stride,
                        .b = x + rows.first,
                        .b_stride = x_stride,
                        .c = turned,
                        .c_stride = kBlockWeights,
                        .rows = layer.outputs,
                        .columns = rows.count,
                        .terms = batch},
                       rounded);
    std::fill(turned + layer.outputs * kBlockWeights, std::end(turned), 0.0F);  // rows that become padding
    kernels.transpose(turned, {kLineFloats, rows.count, kBlockWeights}, gradient, layer.stride);
}

float* at(AlignedFloats& floats, std::int64_t offset) { return floats.size() == 0 ? nullptr : floats.data() + offset; }

Parameters parameters_at(State& state, std::int64_t offset, Block block, const float* gradient) {
    return {.weights = state.weights.data() + offset,
            .gradient = gradient,
            .first_moment = at(state.first_moment, offset),
            .second_moment = at(state.second_moment, offset),
            .block = block};
}

Parameters parameters_of(State& state, const Layer& layer, Span rows, const float* gradient) {
    return parameters_at(state, layer.offset + rows.first * layer.stride, {rows.count, layer.outputs, layer.stride},
                         gradient);
}

// c [rows.count][c_stride] := D W^T of a layer, or c * (D W^T) for Start::scale. c: the input deltas, or the deltas of
// the layer below. For Start::scale, c holds the slopes of the layer below before the call.
void delta_below(const Kernels& kernels, const Layer& layer, const Batch& batch, Span rows, Start start, float* c,
                 std::int64_t c_stride, float* rounded) {
    multiply(kernels,
             {.a = batch.deltas_of(layer, rows.first),
              .a_row = layer.stride,
              .a_column = 1,
              .b = batch.copies + layer.transposed,
              .b_stride = layer.transposed_stride(),
              .c = c,
              .c_stride = c_stride,
              .rows = rows.count,
              .columns = layer.inputs,
              .terms = layer.outputs,
              .start = start},
             rounded);
}

// Returns `update` with its learning rate multiplied by `rate`, and without L2 penalty or weight decay.
Update plain(Update update, float rate) {
    update.learning_rate *= rate;
    update.l2 = 0.0F;
    update.decay = 1.0F;
    return update;
}

// Turns the gradient of the product factors * weights into the gradients of weights and factors, and updates the
// factors.
void update_factors(const Kernels& kernels, const Update& update, Span rows, const float* weights, Block block,
                    State& state, float* gradient) {
    alignas(kAlignment) float dots[kBlockWeights] = {};
    const ScalingLayout& scaling = state.layout.scaling();
    const std::int64_t offset = scaling.offset + rows.first;
    kernels.scale_gradient(weights, state.weights.data() + offset, gradient, dots, block);
    kernels.update(plain(update, scaling.rate), parameters_at(state, offset, {1, rows.count, kBlockWeights}, dots));
}

}  // namespace

const float* Batch::inputs_of(const Layout& layout, std::size_t layer, std::int64_t row) const {
    return layer == 0 ? inputs + row * input_stride : outputs_of(layout.layers()[layer - 1], row);
}

std::int64_t Batch::input_stride_of(const Layout& layout, std::size_t layer) const {
    return layer == 0 ? input_stride : layout.layers()[layer - 1].stride;
}

void forward(const Kernels& kernels, const Layout& layout, const float* weights, const Mask& mask, const Batch& batch,
             Span rows, float* rounded) {
    const std::size_t last = layout.layers().size() - 1;
    for (std::size_t l = 0; l <= last; ++l) {
        const Layer& layer = layout.layers()[l];
        const float* x = batch.inputs_of(layout, l, rows.first);
        float* y = l == last ? batch.deltas_of(layer, rows.first) : batch.outputs_of(layer, rows.first);
        affine(kernels, layout, l, weights, batch.copies, x, batch.input_stride_of(layout, l), rows.count, y,
               layer.rounded ? rounded : nullptr);
        if (l == last) return;
        float* slopes = batch.slopes_of(layer, rows.first);
        float* excesses = batch.excesses_of(layer, rows.first);
        activate(kernels, layer, weights, y, slopes, excesses, rows.count);
        if (mask.share > 0.0F) {
            kernels.drop(y, slopes, excesses, {rows.count, layer.outputs, layer.stride},
                         dropout_of(mask, l, rows.first * layer.stride));
        }
    }
}

void predict(const Kernels& kernels, const Layout& layout, const float* weights, std::span<const int> columns,
             const float* x, std::int64_t x_stride, std::int64_t rows, const PredictionScratch& scratch,
             float* results) {
    const auto layers = layout.layers();
    if (layout.embeds()) {
        embed(kernels, layout, weights, columns, x, x_stride, rows, scratch.numbers, scratch.embedded);
        x = scratch.embedded;
        x_stride = padded(layers.front().inputs);
    }
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const Layer& layer = layers[l];
        const bool last = l + 1 == layers.size();
        // Only one block is processed at a time, so all layers start at row 0 of the buffers.
        float* y = last ? results : scratch.outputs + kBlockRows * layer.row_offset;
        affine(kernels, layout, l, weights, scratch.copies, x, x_stride, rows, y, nullptr);
        if (!last) activate(kernels, layer, weights, y, nullptr, nullptr, rows);
        x = y;
        x_stride = layer.stride;
    }
}

void backward(const Kernels& kernels, const Layout& layout, const Batch& batch, Span rows, float* rounded) {
    const auto layers = layout.layers();
    for (std::size_t l = layers.size() - 1; l > 0; --l) {
        const Layer& below = layers[l - 1];
        float* deltas = batch.deltas_of(below, rows.first);
        delta_below(kernels, layers[l], batch, rows, below.parametric ? Start::bias : Start::scale, deltas,
                    below.stride, layers[l].rounded ? rounded : nullptr);
        if (below.parametric) {
            kernels.delta_parametric(deltas, batch.slopes_of(below, rows.first), batch.excesses_of(below, rows.first),
                                     {rows.count, below.outputs, below.stride});
        }
    }
    if (!layout.embeds()) return;
    float* deltas = batch.input_deltas + rows.first * batch.input_stride;
    delta_below(kernels, layers[0], batch, rows, Start::bias, deltas, batch.input_stride,
                layers[0].rounded ? rounded : nullptr);
}

void update_weights(const Kernels& kernels, const Update& update, std::size_t l, Span rows, const Batch& batch,
                    State& state, float* gradient, float* rounded) {
    const Layout& layout = state.layout;
    const Layer& layer = layout.layers()[l];
    const bool scaled = l == 0 && layout.scaling().learned;
    gradient_of(kernels, layer, batch.inputs_of(layout, l, 0), batch.input_stride_of(layout, l), rows,
                batch.deltas_of(layer, 0), batch.rows, gradient, layer.rounded ? rounded : nullptr);
    const Parameters own = parameters_of(state, layer, rows, gradient);
    if (scaled) update_factors(kernels, update, rows, own.weights, own.block, state, gradient);
    Update numbers = update;
    numbers.learning_rate *= layer.rate;
    kernels.update(numbers, own);
    const float* read = own.weights;
    if (scaled) {
        float* copy = batch.copies + layout.scaling().copy + rows.first * layer.stride;
        kernels.scale_rows(own.weights, state.weights.data() + layout.scaling().offset + rows.first, copy, own.block);
        read = copy;
    }
    if (l > 0 || layout.embeds())
        kernels.transpose(read, own.block, batch.copies + layer.transposed + rows.first, layer.transposed_stride());
}

void update_biases(const Kernels& kernels, const Update& update, std::size_t l, const Batch& batch, State& state,
                   float* gradient) {
    constexpr float kOne = 1.0F;  // a bias is the weight of an input that is always 1
    const Layer& layer = state.layout.layers()[l];
    const auto change = [&](int row, float rate, const float* deltas) {
        multiply_by_blocks(kernels,
                           {.a = &kOne,
                            .a_row = 0,
                            .a_column = 0,
                            .b = deltas,
                            .b_stride = layer.stride,
                            .c = gradient,
                            .c_stride = layer.stride,
                            .rows = 1,
                            .columns = layer.outputs,
                            .terms = batch.rows},
                           nullptr);
        kernels.update(plain(update, rate), parameters_of(state, layer, {row, 1}, gradient));
    };
    change(layer.inputs, layer.bias_rate, batch.deltas_of(layer, 0));
    if (layer.parametric) change(layer.inputs + 1, layer.share_rate, batch.excesses_of(layer, 0));
}

void embed(const Kernels& kernels, const Layout& layout, const float* weights, std::span<const int> columns,
           const float* x, std::int64_t x_stride, std::int64_t rows, float* numbers, float* inputs) {
    const EmbeddingLayout& embedding = layout.embedding();
    const std::int64_t stride = padded(layout.layers().front().inputs);
    for (std::int64_t row = 0; row < rows; ++row) {
        const float* from = x + row * x_stride;
        std::copy_n(from, layout.features(), inputs + row * stride);
        float* to = numbers + row * embedding.stride;
        for (const int column : columns) *to++ = from[column];
    }
    kernels.embed({weights + embedding.offset, embedding.stride, embedding.numbers}, numbers, rows,
                  inputs + layout.features(), stride);
}

void update_embedding(const Kernels& kernels, const Update& update, Span numbers, const Batch& batch, State& state,
                      float* gradient) {
    using namespace embedding;
    constexpr float kTurn = 0.159154943F;  // 1 / (2 pi)
    const EmbeddingLayout& embedding = state.layout.embedding();
    kernels.embed_gradient({state.weights.data() + embedding.offset, embedding.stride, embedding.numbers},
                           numbers.first, batch.numbers, batch.input_deltas + state.layout.features(),
                           batch.input_stride, batch.rows, gradient);
    const auto change = [&](int first, int rows, float rate) {
        for (int row = first; row < first + rows; ++row) {
            const std::int64_t offset = embedding.offset + row * embedding.stride + numbers.first;
            kernels.update(plain(update, rate * embedding.rate),
                           parameters_at(state, offset, {1, kColumns, kColumns}, gradient + row * kColumns));
        }
    };
    change(0, kPhases, 1.0F);
    change(kPhases, kFrequencies, kTurn);
    change(kMixes, kRows - kMixes, 1.0F);
}

void copy_scaled(const Kernels& kernels, const Layout& layout, const float* weights, float* copies) {
    if (!layout.scaling().learned) return;
    const Layer& first = layout.layers().front();
    kernels.scale_rows(weights + first.offset, weights + layout.scaling().offset, copies + layout.scaling().copy,
                       {first.inputs, first.outputs, first.stride});
}

void copy_all(const Kernels& kernels, const Layout& layout, const float* weights, float* copies) {
    std::fill_n(copies, layout.copies_size(), 0.0F);  // padding may hold weights of an earlier network
    copy_scaled(kernels, layout, weights, copies);
    for (std::size_t l = layout.embeds() ? 0 : 1; l < layout.layers().size(); ++l) {
        const Layer& layer = layout.layers()[l];
        kernels.transpose(weights_of(layout, l, weights, copies), {layer.inputs, layer.outputs, layer.stride},
                          copies + layer.transposed, layer.transposed_stride());
    }
}

}  // namespace ash
