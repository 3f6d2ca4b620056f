// network.hpp: a trained network that needs nothing else to predict: weights, activations and the scaling of rows.
//
// Threads: const after construction; any number may predict at once.
// Cost:    predict() takes a block of rows at a time, one scratch per thread; the caller's rows are standardized block by
//          block and never copied whole.
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

// One layer without padding.
struct LayerWeights {
    int inputs;
    int outputs;
    std::vector<float> weights;   // [inputs][outputs]
    std::vector<float> biases;    // [outputs]
    std::vector<float> shares{};  // [outputs] of a hidden layer whose activation is parametric, else empty
};

// The embedding of numbers, without padding.
struct EmbeddingWeights {
    std::vector<int> numbers;       // which features; empty: there is none
    std::vector<float> parameters;  // [embedding::kRows][numbers]
};

class Network {
  public:
    // Copies the weights of a state trained on these data; factors of inputs are multiplied into the first layer.
    Network(const State& state, const Data& data);
    // From a file. Throws std::invalid_argument unless the shapes of successive layers fit, everything is finite and
    // scalings are as scaling.hpp says.
    Network(std::span<const LayerWeights> layers, std::vector<Activation> activations, int classes, Scaling inputs,
            OutputUnits targets, EmbeddingWeights embedding = {});

    // results [rows][outputs()]: probabilities, or targets in the units of y. x: [rows][features()], double or float; NaN
    // is a missing value. Returns false, without results, if x holds infinity or a value beyond the range of float32.
    template <typename Value>
    bool predict(const Value* x, std::int64_t rows, int threads, const Kernels& kernels, float* results) const;

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
    template <typename Value>
    bool predict_block(const Value* x, std::int64_t rows, const Kernels& kernels, Scratch& scratch,
                       float* results) const;

    Layout layout_;
    AlignedFloats weights_;
    std::vector<int> numbers_;  // the features that the embedding takes, in order
    int classes_;
    Scaling inputs_;
    OutputUnits targets_;
    std::vector<double> inverse_;  // of the inputs
};

}  // namespace ash
