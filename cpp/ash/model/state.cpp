#include "ash/model/state.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "ash/data/random.hpp"
#include "ash/kernels/embedding.hpp"

namespace ash {
namespace {

bool grows_from_zero(Activation activation) {
    return activation == Activation::relu || activation == Activation::gelu || activation == Activation::silu ||
           activation == Activation::mish;
}

// Returns the limit of initial weights, which are uniform in [-limit, limit] with variance limit^2 / 3.
double limit(const Layer& layer, bool last, const Settings& settings) {
    const Initialization initialization = settings.initialization;
    const bool automatic = initialization == Initialization::automatic;
    if (automatic && settings.parametrization == Parametrization::ntk)
        return last ? 0.0 : std::sqrt(3.0 / layer.inputs);
    if (automatic && layer.activation == Activation::selu) return std::sqrt(3.0 / layer.inputs);  // LeCun
    const bool he = automatic ? grows_from_zero(layer.activation) : initialization == Initialization::he;
    return he ? std::sqrt(6.0 / layer.inputs) : std::sqrt(6.0 / (layer.inputs + layer.outputs));
}

void initialize(const Layer& layer, float bound, std::uint64_t seed, const Stream& stream, float* weights) {
    std::size_t index = 0;
    Words words{};
    for (int i = 0; i < layer.inputs; ++i) {
        float* row = weights + layer.offset + i * layer.stride;
        for (int o = 0; o < layer.outputs; ++o, ++index) {
            if (index % 4 == 0) words = draw(seed, stream, static_cast<std::uint32_t>(index / 4));
            row[o] = (2.0F * unit_float(words[index % 4]) - 1.0F) * bound;
        }
    }
    if (layer.parametric) std::fill_n(weights + layer.shares(), layer.outputs, 1.0F);
}

// Returns the sum of twelve uniform numbers, minus six. It is nearly normal with variance 1, and needs no logarithm.
float normal(std::uint64_t seed, const Stream& stream, std::uint32_t index) {
    float sum = -6.0F;
    for (std::uint32_t part = 0; part < 3; ++part) {
        for (const std::uint32_t word : draw(seed, stream, 3 * index + part)) sum += unit_float(word);
    }
    return sum;
}

void initialize_embedding(const EmbeddingLayout& embedding, const Settings& settings, std::uint64_t seed,
                          std::uint32_t candidate, float* weights) {
    constexpr float kBound = 0.25F;  // 1 / sqrt(16), PyTorch's initial bound for a layer with 16 inputs
    for (int row = 0; row < embedding::kRows; ++row) {
        const Stream stream{candidate, Purpose::embedding, static_cast<std::uint32_t>(row), 0};
        float* parameters = weights + embedding.offset + row * embedding.stride;
        for (int i = 0; i < embedding.numbers; ++i) {
            const auto index = static_cast<std::uint32_t>(i);
            if (row < embedding::kFrequencies) {
                parameters[i] = normal(seed, stream, index) * static_cast<float>(settings.embedding_frequency);
            } else {
                const float bound = row < embedding::kMixes ? 0.5F : kBound;
                parameters[i] = (2.0F * unit_float(draw(seed, stream, index)[0]) - 1.0F) * bound;
            }
        }
    }
}

}  // namespace

State initial_state(const Shape& shape, const Settings& settings, std::uint64_t seed, std::uint32_t candidate) {
    State state;
    state.layout = Layout(shape, settings);
    const std::int64_t size = state.layout.size();
    state.weights = AlignedFloats(size);
    if (settings.optimizer != Optimizer::sgd) state.first_moment = AlignedFloats(size);
    if (settings.optimizer >= Optimizer::adam) state.second_moment = AlignedFloats(size);
    std::uint32_t number = 0;
    for (const Layer& layer : state.layout.layers()) {
        const bool last = &layer == &state.layout.layers().back();
        const Stream stream{candidate, Purpose::initialization, number++, 0};
        const auto bound = static_cast<float>(limit(layer, last, settings));
        initialize(layer, bound, seed, stream, state.weights.data());
    }
    const Layout& layout = state.layout;
    if (layout.embeds()) initialize_embedding(layout.embedding(), settings, seed, candidate, state.weights.data());
    if (layout.scaling().learned)
        std::fill_n(state.weights.data() + layout.scaling().offset, layout.layers().front().inputs, 1.0F);
    return state;
}

}  // namespace ash
