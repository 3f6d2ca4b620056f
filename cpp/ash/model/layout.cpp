#include "ash/model/layout.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "ash/data/require.hpp"
#include "ash/kernels/embedding.hpp"

namespace ash {
namespace {

// Factors on the learning rate with the ntk parametrization (Holzmueller et al., arXiv:2407.04491, table A.1).
constexpr float kBiasRate = 0.1F;
constexpr float kShareRate = 0.1F;
constexpr float kEmbeddingRate = 0.1F;
constexpr float kScalingRate = 6.0F;

// The maximum number of weights of a layer. Up to this limit, neither a size nor the counter of random draws (one per
// four weights) overflows.
constexpr std::int64_t kMostWeights = std::int64_t{1} << 34;

bool within(int columns) { return columns >= 1 && columns <= kMostColumns; }

void check_layer(int inputs, int outputs) {
    require(within(outputs), "a layer must have 1 to 2^28 outputs");
    if (std::int64_t{inputs} * outputs <= kMostWeights) return;
    throw std::invalid_argument("a layer of " + std::to_string(inputs) + " x " + std::to_string(outputs) +
                                " weights is too large: 2^34 is the most");
}

}  // namespace

Layout::Layout(const Shape& shape, const Settings& settings)
    : features_(shape.features), logarithms_(settings.target_transform == TargetTransform::log) {
    require(within(shape.features), "a network must have 1 to 2^28 features");
    require(shape.numbers >= 0 && shape.numbers <= shape.features, "numbers: must be 0 to the number of features");
    const bool ntk = settings.parametrization == Parametrization::ntk;
    const int numbers = settings.embedding == Embedding::none ? 0 : shape.numbers;
    int inputs = shape.features + numbers * embedding::kDimensions;
    const auto add = [&](int width, Activation activation, bool parametric) {
        check_layer(inputs, width);
        const float rate = ntk ? 1.0F / std::sqrt(static_cast<float>(inputs)) : 1.0F;
        const Layer layer{inputs, width, activation, padded(width), size_, copies_size_, row_floats_, rate,
                          ntk ? kBiasRate : 1.0F, parametric, ntk ? kShareRate : 1.0F,
                          // Numeric features need more than bfloat16's eight bits, so the products of layer 0 are
                          // rounded only if there are no numeric features.
                          settings.precision == Precision::bf16 && (!layers_.empty() || shape.numbers == 0)};
        if (!layers_.empty() || numbers > 0) copies_size_ += width * layer.transposed_stride();
        size_ += layer.size();
        row_floats_ += layer.stride;
        layers_.push_back(layer);
        inputs = width;
    };
    for (std::size_t i = 0; i < settings.hidden.size(); ++i)
        add(settings.hidden[i], settings.activations[i], settings.parametric_activation);
    add(shape.outputs, Activation::identity, false);
    if (numbers > 0) {
        embedding_ = {numbers, padded(numbers), size_, ntk ? kEmbeddingRate : 1.0F};
        size_ += embedding::kRows * embedding_.stride;
    }
    if (settings.input_scaling) {
        scaling_ = {true, size_, copies_size_, ntk ? kScalingRate : 1.0F};
        size_ += padded(layers_.front().inputs);
        copies_size_ += layers_.front().inputs * layers_.front().stride;
    }
}

Layout Layout::without_scaling() const {
    Layout plain = *this;
    if (!scaling_.learned) return plain;
    plain.size_ = scaling_.offset;
    plain.copies_size_ = scaling_.copy;
    plain.scaling_ = {};
    return plain;
}

}  // namespace ash
