// recipe_help.hpp: a table with features of several kinds, and a candidate with all parts of RealMLP's recipe:
// embedding, input factors, parametric activations and the parametrization "ntk".
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ash/train/evaluation.hpp"
#include "ash/train/trainer.hpp"
#include "training_data.hpp"

namespace ash::testing {

inline constexpr int kMixedFeatures = 24;
inline constexpr int kConstantFeature = 7;
inline constexpr int kMixedNumbers = 18;  // more than one block of 16; layer 0 then has 78 inputs, more than 64

inline bool is_switch(int feature) { return feature % 5 == 3; }

// Returns a table in which every fifth feature is 0 or 1 and not standardized, one feature is constant, and all others
// are numbers. If `weighted`, training rows have weights from 0.5 to 3.5.
inline Data make_mixed_data(int rows, int classes, bool weighted = false) {
    std::vector<double> x;
    std::vector<double> y;
    std::vector<bool> standardized;
    std::vector<std::int64_t> training;
    std::vector<std::int64_t> validation;
    std::vector<double> weights;
    for (int f = 0; f < kMixedFeatures; ++f) standardized.push_back(!is_switch(f));
    for (int row = 0; row < rows; ++row) {
        double sum = 0.0;
        for (int f = 0; f < kMixedFeatures; ++f) {
            const auto place = static_cast<std::uint32_t>(row * kMixedFeatures + f);
            const double value = unit_float(philox({place, 0, 0, 0}, 4)[0]);
            x.push_back(f == kConstantFeature ? 3.0 : is_switch(f) ? static_cast<double>(value > 0.5) : value);
            if (f < 4) sum += x.back();
        }
        y.push_back(classes > 0 ? static_cast<int>(sum * 4.0) % classes : sum * sum);
        (row % 4 == 0 ? validation : training).push_back(row);
        if (row % 4 != 0) weights.push_back(0.5 * (1 + row % 7));
    }
    const std::span<const double> all = weighted ? std::span<const double>(weights) : std::span<const double>{};
    DataBuilder builder(kMixedFeatures, {y.data(), rows, 1, classes}, {training, all}, {validation}, standardized);
    builder.observe(x.data(), rows);
    builder.fill(x.data(), rows);
    return builder.finish();
}

inline Settings recipe(Optimizer optimizer, std::int64_t batch_size) {
    Settings settings = settings_of(optimizer, batch_size);
    settings.activations = {Activation::selu, Activation::mish};
    settings.parametrization = Parametrization::ntk;
    settings.embedding = Embedding::periodic;
    settings.embedding_frequency = 0.3;
    settings.input_scaling = true;
    settings.parametric_activation = true;
    settings.weight_decay = optimizer == Optimizer::adamw ? 0.02 : 0.0;
    return settings;
}

// The state, outcome and score of a candidate after jobs with given numbers of epochs.
struct Trained {
    State state;
    Outcome outcome;
    Evaluation evaluation;
};

inline Trained trained_by(const Data& data, const Settings& settings, const std::vector<std::int64_t>& jobs,
                          const Kernels& kernels, Workspace& workspace) {
    Trained trained{initial_state(data.shape(), settings, 5, 2), {}, {}};
    for (const std::int64_t epochs : jobs) {
        trained.outcome =
            train(data, settings, {.epochs = epochs, .seed = 5, .candidate = 2}, kernels, trained.state, workspace);
    }
    const Metric metric = data.classes() > 0 ? Metric::accuracy : Metric::r2;
    trained.evaluation = evaluate(data, settings, trained.state, metric, kernels, nullptr, workspace);
    return trained;
}

inline Trained trained_by(const Data& data, const Settings& settings, const std::vector<std::int64_t>& jobs,
                          const Kernels& kernels) {
    Workspace workspace(data, {&settings, 1});
    return trained_by(data, settings, jobs, kernels, workspace);
}

inline bool same_bits(const AlignedFloats& a, const AlignedFloats& b) {
    return std::equal(a.data(), a.data() + a.size(), b.data(), b.data() + b.size(), [](float one, float other) {
        return std::bit_cast<std::uint32_t>(one) == std::bit_cast<std::uint32_t>(other);
    });
}

inline bool same(const Trained& a, const Trained& b) {
    return same_bits(a.state.weights, b.state.weights) && same_bits(a.state.first_moment, b.state.first_moment) &&
           same_bits(a.state.second_moment, b.state.second_moment) && a.outcome.loss == b.outcome.loss &&
           a.evaluation.score == b.evaluation.score && a.evaluation.loss == b.evaluation.loss;
}

inline std::vector<const Kernels*> kernels_with_fma() {
    std::vector<const Kernels*> tables(available_kernels().begin(), available_kernels().end());
    std::erase_if(tables, [](const Kernels* kernels) { return !kernels->fma; });
    return tables;
}

}  // namespace ash::testing
