// network.hpp: a trained network with everything that predictions need: weights, activations and the scaling of rows.
//
// Threads: const after construction; any number of threads may predict at once.
// Cost:    predict() works on one block of rows at a time, with one scratch per thread. The caller's rows are
//          standardized block by block and never copied whole.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/data/scaling.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/layout.hpp"
#include "ash/model/state.hpp"

namespace ash {

// The weights of one layer, without padding.
struct LayerWeights {
    int inputs;
    int outputs;
    std::vector<float> weights;   // [inputs][outputs]
    std::vector<float> biases;    // [outputs]
    std::vector<float> shares{};  // [outputs], if the activation is parametric (parametric.hpp); else empty
};

// The parameters of the embedding of numeric features, without padding.
struct EmbeddingWeights {
    std::vector<int> numbers;  // column numbers of the embedded features, ascending; empty if there is no embedding
    std::vector<float> parameters;  // [embedding::kRows][embedded features]
};

class Network {
  public:
    // Copies the weights of a state that was trained on these data. Learned input factors are multiplied into the
    // weights of the first layer.
    Network(const State& state, const Data& data);
    // Builds a network from parts that were read from a file. Throws std::invalid_argument unless the shapes of
    // successive layers fit, all numbers are finite and the scalings are valid (scaling.hpp).
    Network(std::span<const LayerWeights> layers, std::vector<Activation> activations, int classes, Scaling inputs,
            OutputUnits targets, EmbeddingWeights embedding = {});

    // results [rows][outputs()], double or float: probabilities, or targets in the units of y, which need double if they
    // are far from 0. x: [rows][features()], double or float, with NaN as a missing value. Returns false, without
    // results, if x holds infinity or a value beyond the range of float32.
    template <typename Value, typename Result>
    bool predict(const Value* x, std::int64_t rows, int threads, const Kernels& kernels, Result* results) const;

    LayerWeights layer(std::size_t number) const;
    EmbeddingWeights embedding() const;
    std::size_t layers() const { return layout_.layers().size(); }
    Activation activation(std::size_t layer) const { return layout_.layers()[layer].activation; }
    int features() const { return layout_.features(); }
    int outputs() const { return layout_.layers().back().outputs; }
    int classes() const { return classes_; }
    const Scaling& inputs() const { return inputs_; }
    const OutputUnits& targets() const { return targets_; }

  private:
    struct Scratch;
    template <typename Value, typename Result>
    bool predict_block(const Value* x, std::int64_t rows, const Kernels& kernels, Scratch& scratch,
                       Result* results) const;

    Layout layout_;
    AlignedFloats weights_;
    std::vector<int> numbers_;  // column numbers of the embedded features, ascending
    int classes_;
    Scaling inputs_;
    OutputUnits targets_;
    std::vector<double> inverse_;  // 1 / scale of the inputs
};

}  // namespace ash
