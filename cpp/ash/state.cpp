#include "ash/state.hpp"

#include <cmath>

#include "ash/random.hpp"

namespace ash {
namespace {

bool grows_from_zero(Activation activation) {
    return activation == Activation::relu || activation == Activation::gelu || activation == Activation::silu;
}

// Weights are uniform in [-limit, limit]; the variance is limit^2 / 3.
double limit(const Layer& layer, Initialization initialization) {
    const bool he = initialization == Initialization::automatic ? grows_from_zero(layer.activation)
                                                                : initialization == Initialization::he;
    return he ? std::sqrt(6.0 / layer.inputs) : std::sqrt(6.0 / (layer.inputs + layer.outputs));
}

void initialize(const Layer& layer, float bound, std::uint64_t seed, const Place& place, float* weights) {
    std::uint32_t index = 0;
    Words words{};
    for (int i = 0; i < layer.inputs; ++i) {
        float* row = weights + layer.offset + i * layer.stride;
        for (int o = 0; o < layer.outputs; ++o, ++index) {
            if (index % 4 == 0) words = draw(seed, place, index / 4);
            row[o] = (2.0F * unit_float(words[index % 4]) - 1.0F) * bound;
        }
    }
}

}  // namespace

State initial_state(int features, int outputs, const Settings& settings, std::uint64_t seed, std::uint32_t candidate) {
    State state;
    state.layout = Layout(features, outputs, settings);
    const std::int64_t size = state.layout.size();
    state.weights = AlignedFloats(size);
    if (settings.optimizer != Optimizer::sgd) state.first_moment = AlignedFloats(size);
    if (settings.optimizer >= Optimizer::adam) state.second_moment = AlignedFloats(size);
    std::uint32_t number = 0;
    for (const Layer& layer : state.layout.layers()) {
        const auto bound = static_cast<float>(limit(layer, settings.initialization));
        initialize(layer, bound, seed, {candidate, Purpose::initialization, number++, 0}, state.weights.data());
    }
    return state;
}

}  // namespace ash
