// Tests hyperparameters: their names in Python and C++, and the ranges that the core accepts.
#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ash/model/settings.hpp"

using namespace ash;

namespace {

// Checks that each value can be parsed from its name, and that the error for another name lists all names.
template <typename Enum>
void check_names(int count, const char* list) {
    for (int i = 0; i < count; ++i) {
        const auto value = static_cast<Enum>(i);
        CHECK(parse<Enum>(name(value)) == value);
    }
    CHECK_THROWS_WITH_AS(parse<Enum>("other"), (std::string("'other' is none of ") + list).c_str(),
                         std::invalid_argument);
}

}  // namespace

TEST_CASE("every name that is printed can be parsed") {
    check_names<Activation>(8, "identity, relu, sigmoid, tanh, gelu, silu, selu, mish");
    check_names<Optimizer>(5, "sgd, momentum, nesterov, adam, adamw");
    check_names<LearningRateSchedule>(2, "cycle, constant");
    check_names<Initialization>(3, "auto, he, xavier");
    check_names<Parametrization>(2, "standard, ntk");
    check_names<Embedding>(2, "none, periodic");
    check_names<Precision>(2, "fp32, bf16");
    check_names<Loss>(3, "squared_error, pinball, poisson");
    check_names<TargetTransform>(2, "none, log");
}

TEST_CASE("an error names the setting that is out of range") {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    using Change = std::function<void(Settings&)>;
    const std::vector<std::pair<const char*, Change>> changes{
        {"activations", [](Settings& s) { s.activations.clear(); }},
        {"hidden", [](Settings& s) { s.hidden[0] = 0; }},
        {"hidden", [](Settings& s) { s.hidden[0] = (1 << 20) + 1; }},
        {"hidden", [](Settings& s) { s.hidden.assign(1025, 1), s.activations.assign(1025, Activation::relu); }},
        {"embedding_frequency", [](Settings& s) { s.embedding_frequency = -1.0; }},
        {"learning_rate", [](Settings& s) { s.learning_rate = kNan; }},
        {"learning_rate", [](Settings& s) { s.learning_rate = kInfinity; }},
        {"momentum", [](Settings& s) { s.momentum = 1.1; }},
        {"beta1", [](Settings& s) { s.beta1 = 1.0; }},
        {"beta2", [](Settings& s) { s.beta2 = -0.1; }},
        {"epsilon", [](Settings& s) { s.epsilon = 0.0; }},
        {"l2", [](Settings& s) { s.l2 = -1.0; }},
        {"weight_decay", [](Settings& s) { s.weight_decay = kNan; }},
        {"dropout", [](Settings& s) { s.dropout = 1.0; }},
        // Rounded to float, as in the kernels, these values are 1.
        {"beta1", [](Settings& s) { s.beta1 = 1.0 - 1e-9; }},
        {"beta2", [](Settings& s) { s.beta2 = 1.0 - 1e-9; }},
        {"dropout", [](Settings& s) { s.dropout = 1.0 - 1e-9; }},
        {"label_smoothing", [](Settings& s) { s.label_smoothing = 2.0; }},
        {"batch_size", [](Settings& s) { s.batch_size = -1; }},
    };
    for (const auto& [field, change] : changes) {
        Settings settings;
        CHECK_NOTHROW(check(settings));
        change(settings);
        CHECK_THROWS_WITH_AS(check(settings), doctest::Contains(field), std::invalid_argument);
    }
}
