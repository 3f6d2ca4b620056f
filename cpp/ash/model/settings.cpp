#include "ash/model/settings.hpp"

#include <array>
#include <cmath>
#include <stdexcept>
#include <string>

#include "ash/data/require.hpp"

namespace ash {
namespace {

// Names<Enum>::list holds the names of the enumerators, in their order.
template <typename Enum>
struct Names;
template <>
struct Names<Activation> {
    static constexpr std::array<std::string_view, 8> list{"identity", "relu", "sigmoid", "tanh",
                                                          "gelu",     "silu", "selu",    "mish"};
};
template <>
struct Names<Optimizer> {
    static constexpr std::array<std::string_view, 5> list{"sgd", "momentum", "nesterov", "adam", "adamw"};
};
template <>
struct Names<LearningRateSchedule> {
    static constexpr std::array<std::string_view, 2> list{"cycle", "constant"};
};
template <>
struct Names<Initialization> {
    static constexpr std::array<std::string_view, 3> list{"auto", "he", "xavier"};
};
template <>
struct Names<Parametrization> {
    static constexpr std::array<std::string_view, 2> list{"standard", "ntk"};
};
template <>
struct Names<Embedding> {
    static constexpr std::array<std::string_view, 2> list{"none", "periodic"};
};
template <>
struct Names<Precision> {
    static constexpr std::array<std::string_view, 2> list{"fp32", "bf16"};
};
template <>
struct Names<Loss> {
    static constexpr std::array<std::string_view, 3> list{"squared_error", "pinball", "poisson"};
};
template <>
struct Names<TargetTransform> {
    static constexpr std::array<std::string_view, 2> list{"none", "log"};
};

template <typename Enum>
std::string_view name_of(Enum value) {
    return Names<Enum>::list.at(static_cast<std::size_t>(value));
}

bool within(double value, double low, double high) { return std::isfinite(value) && value >= low && value <= high; }

// Returns whether the value is in [0, 1) both as a double and rounded to a float, since the kernels use floats. For
// example, 1 - 1e-9 is rounded to 1.
bool is_share(double value) { return within(value, 0.0, 1.0) && static_cast<float>(value) < 1.0F; }

}  // namespace

std::string_view name(Activation value) { return name_of(value); }
std::string_view name(Optimizer value) { return name_of(value); }
std::string_view name(LearningRateSchedule value) { return name_of(value); }
std::string_view name(Initialization value) { return name_of(value); }
std::string_view name(Parametrization value) { return name_of(value); }
std::string_view name(Embedding value) { return name_of(value); }
std::string_view name(TargetTransform value) { return name_of(value); }
std::string_view name(Precision value) { return name_of(value); }
std::string_view name(Loss value) { return name_of(value); }

template <typename Enum>
Enum parse(std::string_view text) {
    std::string known;
    for (std::size_t i = 0; i < Names<Enum>::list.size(); ++i) {
        if (Names<Enum>::list[i] == text) return static_cast<Enum>(i);
        known += (i == 0 ? "" : ", ") + std::string(Names<Enum>::list[i]);
    }
    throw std::invalid_argument("'" + std::string(text) + "' is none of " + known);
}

template Activation parse<Activation>(std::string_view text);
template Optimizer parse<Optimizer>(std::string_view text);
template LearningRateSchedule parse<LearningRateSchedule>(std::string_view text);
template Initialization parse<Initialization>(std::string_view text);
template Parametrization parse<Parametrization>(std::string_view text);
template Embedding parse<Embedding>(std::string_view text);
template TargetTransform parse<TargetTransform>(std::string_view text);
template Precision parse<Precision>(std::string_view text);
template Loss parse<Loss>(std::string_view text);

void check(const Settings& settings) {
    constexpr int kWidest = 1 << 20;
    constexpr std::size_t kDeepest = 1 << 10;
    require(settings.activations.size() == settings.hidden.size(), "activations: one per hidden layer is required");
    require(settings.hidden.size() <= kDeepest, "hidden: at most 1024 layers are allowed");
    for (const int width : settings.hidden) require(width >= 1 && width <= kWidest, "hidden: widths must be 1 to 2^20");
    require(within(settings.embedding_frequency, 0.0, 1e6), "embedding_frequency: not in [0, 1e6]");
    require(within(settings.learning_rate, 0.0, 1e30), "learning_rate: not a finite number >= 0");
    require(within(settings.momentum, 0.0, 1.0), "momentum: not in [0, 1]");
    require(is_share(settings.beta1), "beta1: not in [0, 1)");
    require(is_share(settings.beta2), "beta2: not in [0, 1)");
    // The gradients and moments of padding are zero. With an epsilon of 0, adam would divide zero by zero there.
    require(within(settings.epsilon, 1e-30, 1.0), "epsilon: not in [1e-30, 1]");
    require(within(settings.l2, 0.0, 1e30), "l2: not a finite number >= 0");
    require(within(settings.weight_decay, 0.0, 1e30), "weight_decay: not a finite number >= 0");
    require(is_share(settings.dropout), "dropout: not in [0, 1)");
    require(within(settings.label_smoothing, 0.0, 1.0), "label_smoothing: not in [0, 1]");
    require(settings.batch_size >= 0, "batch_size: negative");
    require(within(settings.external_cost, 0.0, 1e30), "external_cost: not in [0, 1e30]");
}

}  // namespace ash
