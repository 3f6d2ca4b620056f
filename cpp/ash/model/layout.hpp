// layout.hpp: the positions of a network's parameters in one flat arena.
//
//     layer 0: `inputs` rows of weights, one row of biases     each row [outputs] padded with zeros to `stride`
//              and, if the activation is parametric, one row of shares (parametric.hpp)
//     layer 1: ...
//     embedding, if any: rows of parameters [embedded features], padded (embedding.hpp)
//     input factors of layer 0, if learned: one row [inputs], padded
//
// Weights and both moments of the optimizer have the same layout. In addition to the weights, the forward and backward
// passes read copies computed from them: W^T of all layers except the first, and the weights of layer 0 times the input
// factors. With an embedding, W^T of the first layer is also copied, since the embedding's gradient passes through that
// layer.
//
// A layout depends only on the shape and the settings, never on the instruction set. So states of different machines
// can be compared, and a state can be moved to another machine. The sizes in a layout do not overflow, even with a
// batch of 2^32 rows, because the constructor refuses a network that is too large.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ash/data/shape.hpp"
#include "ash/model/settings.hpp"

namespace ash {

struct Layer {
    int inputs;
    int outputs;
    Activation activation;    // identity for the last layer, whose softmax belongs to the loss
    std::int64_t stride;      // number of floats per row of weights, including padding
    std::int64_t offset;      // offset of the layer's first row in the arena
    std::int64_t transposed;  // offset of W^T [outputs][padded(inputs)] within the copies
    std::int64_t row_offset;  // sum of the strides of all preceding layers; their outputs take this times the rows
    float rate;               // factor on the learning rate: 1, or with ntk 1 / sqrt(inputs)
    float bias_rate;          // factor on the learning rate of biases: 1, or with ntk 0.1
    bool parametric = false;  // whether each output is a mix of f(x) and x with a learned share of f(x)
    float share_rate = 1.0F;  // factor on the learning rate of shares: 1, or with ntk 0.1
    bool rounded = false;     // whether training rounds the factors of the layer's matrix products to bfloat16

    std::int64_t size() const { return (inputs + (parametric ? 2 : 1)) * stride; }
    std::int64_t shares() const { return offset + (inputs + 1) * stride; }  // offset of the row of shares, if any
    std::int64_t transposed_stride() const { return padded(inputs); }
};

// The position of an embedding's parameters: [embedding::kRows][stride], one column per embedded feature.
struct EmbeddingLayout {
    int numbers = 0;  // number of embedded features; 0 without an embedding
    std::int64_t stride = 0;
    std::int64_t offset = 0;
    float rate = 1.0F;  // factor on the learning rate
};

// The position of the learned factors by which the inputs of layer 0 are multiplied.
struct ScalingLayout {
    bool learned = false;
    std::int64_t offset = 0;
    std::int64_t copy = 0;  // offset, within the copies, of the weights of layer 0 times the factors
    float rate = 1.0F;      // factor on the learning rate
};

class Layout {
  public:
    Layout() = default;

    // Throws std::invalid_argument for a number of columns out of range, and for a layer of more than 2^34 weights.
    Layout(const Shape& shape, const Settings& settings);

    // Returns the same layout without the input factors, which are at the end of the arena.
    Layout without_scaling() const;

    std::span<const Layer> layers() const { return layers_; }
    const EmbeddingLayout& embedding() const { return embedding_; }
    const ScalingLayout& scaling() const { return scaling_; }
    int features() const { return features_; }
    std::int64_t size() const { return size_; }                // number of floats in the arena
    std::int64_t copies_size() const { return copies_size_; }  // number of floats in the copies
    std::int64_t row_floats() const { return row_floats_; }    // floats per table row for all layers' padded outputs
    bool embeds() const { return embedding_.numbers > 0; }
    bool logarithms() const { return logarithms_; }  // whether the network predicts logarithms of targets

  private:
    int features_ = 0;  // features of the table; layer 0 has more inputs if there is an embedding
    std::vector<Layer> layers_;
    EmbeddingLayout embedding_;
    ScalingLayout scaling_;
    std::int64_t size_ = 0;
    std::int64_t copies_size_ = 0;
    std::int64_t row_floats_ = 0;
    bool logarithms_ = false;
};

}  // namespace ash
