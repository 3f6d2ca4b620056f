// settings.hpp: the hyperparameters of one candidate, and the names of their values shared by C++ and Python.
//
// A candidate with an `external_cost` is not a network. An ExternalTrainer or another process trains it
// (candidates.hpp), and the other fields are ignored.
// The settings are plain data and are checked in Python first. check() refuses values with which the core would
// misbehave.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ash/kernels/functions.hpp"

namespace ash {

// cycle: the learning rate falls along a half cosine in each job.
enum class LearningRateSchedule : std::uint8_t { cycle, constant };
// automatic: depends on the parametrization and the activation, as described at initial_state() (state.hpp).
enum class Initialization : std::uint8_t { automatic, he, xavier };
// ntk: learning rates and automatically initialized weights depend on a layer's number of inputs.
enum class Parametrization : std::uint8_t { standard, ntk };
enum class Embedding : std::uint8_t { none, periodic };  // embedding of numeric features: embedding.hpp

enum class Precision : std::uint8_t { fp32, bf16 };  // format of matrix products' factors in training: bfloat16.hpp

enum class TargetTransform : std::uint8_t { none, log };

struct Settings {
    std::vector<int> hidden{64};                            // widths of the hidden layers; empty for a linear model
    std::vector<Activation> activations{Activation::relu};  // one activation per hidden layer
    Optimizer optimizer = Optimizer::adam;
    LearningRateSchedule learning_rate_schedule = LearningRateSchedule::cycle;
    Initialization initialization = Initialization::automatic;
    Parametrization parametrization = Parametrization::standard;
    Embedding embedding = Embedding::none;
    Precision precision = Precision::fp32;
    TargetTransform target_transform = TargetTransform::none;  // transform of regression targets
    double embedding_frequency = 0.1;    // standard deviation of the initial frequencies, in turns per unit of x
    bool input_scaling = false;          // whether a factor for each input of the first layer is learned
    bool parametric_activation = false;  // whether each hidden neuron learns a mix of f(x) and x
    double learning_rate = 3e-3;
    double momentum = 0.9;         // used only with momentum and nesterov
    double beta1 = 0.9;            // used only with adam and adamw
    double beta2 = 0.999;          // used only with adam and adamw
    double epsilon = 1e-8;         // used only with adam and adamw
    double l2 = 0.0;               // adds l2 * W to the gradient of weights, not of biases
    double weight_decay = 0.0;     // decoupled: W -= learning_rate * weight_decay * W
    double dropout = 0.0;          // share of hidden outputs set to zero in training
    double label_smoothing = 0.0;  // used only for classification
    std::int64_t batch_size = 32;  // rows per update; 0 for all training rows, so one update per epoch
    double external_cost = 0.0;    // multiply-adds per epoch of a candidate that is not a network; 0 for a network
};

inline bool is_external(const Settings& settings) { return settings.external_cost != 0.0; }

// Throws std::invalid_argument naming the first field out of range.
void check(const Settings& settings);

std::string_view name(Activation value);
std::string_view name(Optimizer value);
std::string_view name(LearningRateSchedule value);
std::string_view name(Initialization value);
std::string_view name(Parametrization value);
std::string_view name(Embedding value);
std::string_view name(TargetTransform value);
std::string_view name(Precision value);
std::string_view name(Loss value);

// Returns the value with this name. Throws std::invalid_argument with the list of valid names if there is none.
template <typename Enum>
Enum parse(std::string_view text);

}  // namespace ash
