#include "ash/train/network.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "ash/data/require.hpp"
#include "ash/kernels/embedding.hpp"
#include "ash/train/denormals.hpp"
#include "ash/train/parallel.hpp"
#include "ash/train/propagation.hpp"
#include "ash/train/workspace.hpp"

namespace ash {
namespace {

Layout layout_of(std::span<const LayerWeights> layers, std::vector<Activation> activations, int features,
                 const EmbeddingWeights& embedding) {
    const auto numbers = static_cast<int>(embedding.numbers.size());
    require(!layers.empty(), "a network must have at least one layer");
    require(activations.size() == layers.size() - 1, "activations: one per hidden layer is required");
    Settings settings;
    settings.hidden.clear();
    settings.parametric_activation = !layers.front().shares.empty();
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const LayerWeights& layer = layers[l];
        require(layer.inputs >= 1 && layer.outputs >= 1, "a layer must have at least one input and one output");
        require(
            layer.weights.size() == static_cast<std::size_t>(layer.inputs) * static_cast<std::size_t>(layer.outputs) &&
                layer.biases.size() == static_cast<std::size_t>(layer.outputs),
            "weights: wrong shape");
        require(l == 0 || layer.inputs == layers[l - 1].outputs,
                "weights: the inputs of a layer are not the outputs of the one before");
        const bool hidden = l + 1 < layers.size();
        const int shares = hidden && settings.parametric_activation ? layer.outputs : 0;
        require(std::ssize(layer.shares) == shares, "shares: one per output of each hidden layer, or none");
        if (hidden) settings.hidden.push_back(layer.outputs);
    }
    settings.activations = std::move(activations);
    if (numbers > 0) settings.embedding = Embedding::periodic;
    const std::int64_t made = std::int64_t{numbers} * embedding::kDimensions;
    require(layers.front().inputs == features + made, "weights: the first layer does not fit the features");
    require(std::ssize(embedding.parameters) == std::ptrdiff_t{embedding::kRows} * numbers, "embedding: wrong shape");
    for (std::size_t i = 0; i < embedding.numbers.size(); ++i) {
        const int least = i == 0 ? 0 : embedding.numbers[i - 1] + 1;
        require(embedding.numbers[i] >= least && embedding.numbers[i] < features, "embedding: features not in order");
    }
    return {{features, layers.back().outputs, numbers}, settings};
}

// Returns a copy of the first `size` floats of an arena.
AlignedFloats beginning(const AlignedFloats& floats, std::int64_t size) {
    AlignedFloats result(size);
    std::copy_n(floats.data(), size, result.data());
    return result;
}

}  // namespace

Network::Network(const State& state, const Data& data)
    : layout_(state.layout.without_scaling()),
      weights_(beginning(state.weights, layout_.size())),
      classes_(data.classes()),
      inputs_(data.inputs()),
      targets_(data.output_units(layout_.logarithms())),
      inverse_(inverse(inputs_)) {
    const Layer& first = layout_.layers().front();
    if (layout_.embeds()) numbers_.assign(data.numbers().begin(), data.numbers().end());
    if (const ScalingLayout& scaling = state.layout.scaling(); scaling.learned) {
        available_kernels().front()->scale_rows(state.weights.data() + first.offset,
                                                state.weights.data() + scaling.offset, weights_.data() + first.offset,
                                                {first.inputs, first.outputs, first.stride});
    }
    // Sets the weights of constant features to 0. Their gradient was always 0, so they are only initial random values,
    // which may have been reduced by an L2 penalty or weight decay.
    for (const int feature : data.constant_features()) {
        std::fill_n(weights_.data() + first.offset + feature * first.stride, first.stride, 0.0F);
    }
}

Network::Network(std::span<const LayerWeights> layers, std::vector<Activation> activations, int classes, Scaling inputs,
                 OutputUnits targets, EmbeddingWeights embedding)
    : layout_(layout_of(layers, std::move(activations), static_cast<int>(inputs.center.size()), embedding)),
      weights_(layout_.size()),
      numbers_(std::move(embedding.numbers)),
      classes_(classes),
      inputs_(std::move(inputs)),
      targets_(std::move(targets)) {
    check_scaling(inputs_, features());
    check_units(targets_, outputs(), classes);
    inverse_ = inverse(inputs_);
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const Layer& layer = layout_.layers()[l];
        float* row = weights_.data() + layer.offset;
        const float* from = layers[l].weights.data();
        for (int i = 0; i < layer.inputs; ++i, row += layer.stride)
            std::copy_n(from + std::ptrdiff_t{i} * layer.outputs, layer.outputs, row);
        std::copy_n(layers[l].biases.data(), layer.outputs, row);
        std::ranges::copy(layers[l].shares, row + layer.stride);
    }
    const EmbeddingLayout& layout = layout_.embedding();
    for (int row = 0; layout_.embeds() && row < embedding::kRows; ++row) {
        const auto* from = embedding.parameters.data() + std::ptrdiff_t{row} * layout.numbers;
        std::copy_n(from, layout.numbers, weights_.data() + layout.offset + row * layout.stride);
    }
    require(available_kernels().front()->finite(weights_.data(), weights_.size()), "weights: not finite");
}

EmbeddingWeights Network::embedding() const {
    EmbeddingWeights result{numbers_, {}};
    const EmbeddingLayout& layout = layout_.embedding();
    for (int row = 0; layout_.embeds() && row < embedding::kRows; ++row) {
        const float* from = weights_.data() + layout.offset + row * layout.stride;
        result.parameters.insert(result.parameters.end(), from, from + layout.numbers);
    }
    return result;
}

LayerWeights Network::layer(std::size_t number) const {
    const Layer& layer = layout_.layers()[number];
    LayerWeights result{layer.inputs, layer.outputs, {}, {}};
    const float* row = weights_.data() + layer.offset;
    for (int i = 0; i < layer.inputs; ++i, row += layer.stride)
        result.weights.insert(result.weights.end(), row, row + layer.outputs);
    result.biases.assign(row, row + layer.outputs);
    if (layer.parametric) result.shares.assign(row + layer.stride, row + layer.stride + layer.outputs);
    return result;
}

// The buffers of one thread: standardized rows [kBlockRows][stride], the buffers of the embedding, outputs of all
// layers, and results [kBlockRows][stride].
struct Network::Scratch {
    explicit Scratch(const Layout& layout)
        : inputs(kBlockRows * padded(layout.features())),
          numbers(kBlockRows * layout.embedding().stride),
          embedded(layout.embeds() ? kBlockRows * padded(layout.layers().front().inputs) : 0),
          outputs(kBlockRows * layout.row_floats()),
          results(kBlockRows * layout.layers().back().stride) {}
    AlignedFloats inputs;
    AlignedFloats numbers;
    AlignedFloats embedded;
    AlignedFloats outputs;
    AlignedFloats results;
};

template <typename Value, typename Result>
bool Network::predict_block(const Value* x, std::int64_t rows, const Kernels& kernels, Scratch& scratch,
                            Result* results) const {
    const std::int64_t input_stride = padded(features());
    const Standardization columns = standardization(inputs_, inverse_);
    for (std::int64_t row = 0; row < rows; ++row) {
        const Value* from = x + row * features();
        float* to = scratch.inputs.data() + row * input_stride;
        if constexpr (std::is_same_v<Value, float>) {
            if (!kernels.standardize_floats(from, columns, to)) return false;
        } else {
            if (!kernels.standardize(from, columns, to)) return false;
        }
    }
    const FlushDenormals flush;  // denormals are flushed as in training
    ash::predict(kernels, layout_, weights_.data(), numbers_, scratch.inputs.data(), input_stride, rows,
                 {scratch.outputs.data(), scratch.numbers.data(), scratch.embedded.data(), nullptr},
                 scratch.results.data());
    const std::int64_t stride = layout_.layers().back().stride;
    if (classes_ > 0) kernels.softmax(scratch.results.data(), nullptr, 0.0F, nullptr, {rows, outputs(), stride});
    to_targets(kernels, targets_, scratch.results.data(), rows, stride,
               [&](std::int64_t row, std::int64_t o, double target) {
                   results[row * outputs() + o] = static_cast<Result>(target);
               });
    return true;
}

template <typename Value, typename Result>
bool Network::predict(const Value* x, std::int64_t rows, int threads, const Kernels& kernels, Result* results) const {
    const std::int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
    const auto team = static_cast<int>(std::clamp<std::int64_t>(blocks, 1, threads));
    std::atomic<bool> within = true;
    on_threads(team, [&](int thread) {
        Scratch scratch(layout_);
        // Each thread processes every `team`-th block; a block's results depend only on its rows.
        for (std::int64_t block = thread; block < blocks; block += team) {
            const std::int64_t first = block * kBlockRows;
            if (!within) return;
            const std::int64_t count = std::min(kBlockRows, rows - first);
            if (!predict_block(x + first * features(), count, kernels, scratch, results + first * outputs()))
                within = false;
        }
    });
    return within;
}

template bool Network::predict(const double*, std::int64_t, int, const Kernels&, float*) const;
template bool Network::predict(const float*, std::int64_t, int, const Kernels&, float*) const;
template bool Network::predict(const double*, std::int64_t, int, const Kernels&, double*) const;
template bool Network::predict(const float*, std::int64_t, int, const Kernels&, double*) const;

}  // namespace ash
