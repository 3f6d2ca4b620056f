// training_data.hpp: a small table and a candidate for the tests of training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/data/random.hpp"
#include "ash/model/settings.hpp"

namespace ash::testing {

// Returns points whose classes are rings around the origin, or whose targets depend on the distance from the
// origin. Both can be learned in a few epochs. If `weighted`, training rows have the weights
// 0.5, 1.0, ..., 3.5, repeated in this order.
inline Data make_data(int rows, int features, int classes, int targets = 1, bool weighted = false) {
    const int columns = classes > 0 ? 1 : targets;
    std::vector<double> x(static_cast<std::size_t>(rows * features));
    std::vector<double> y(static_cast<std::size_t>(rows * columns));
    std::vector<std::int64_t> training;
    std::vector<std::int64_t> validation;
    for (int row = 0; row < rows; ++row) {
        double sum = 0.0;
        for (int f = 0; f < features; ++f) {
            const Words words = philox({static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(f), 0, 0}, 3);
            const double value = 2.0 * unit_float(words[0]) - 1.0;
            x[static_cast<std::size_t>(row * features + f)] = value;
            sum += value * value;
        }
        for (int c = 0; c < columns; ++c) {
            y[static_cast<std::size_t>(row * columns + c)] =
                classes > 0 ? static_cast<int>(sum * 2.0) % classes : sum * (c + 1);
        }
        (row % 5 == 0 ? validation : training).push_back(row);
    }
    if (!weighted) return {{x.data(), y.data(), rows, features, columns, classes}, training, validation, true};
    std::vector<double> weights;
    for (std::size_t row = 0; row < training.size(); ++row) weights.push_back(0.5 * static_cast<double>(1 + row % 7));
    const std::span<const double> all = weights;
    DataBuilder builder(features, {y.data(), rows, columns, classes}, {training, all},
                        {validation, all.first(validation.size())},
                        std::vector<bool>(static_cast<std::size_t>(features), true));
    builder.observe(x.data(), rows);
    builder.fill(x.data(), rows);
    return builder.finish();
}

inline Settings settings_of(Optimizer optimizer, std::int64_t batch_size) {
    Settings settings;
    settings.hidden = {24, 7};
    settings.activations = {Activation::silu, Activation::tanh};
    settings.optimizer = optimizer;
    settings.learning_rate = optimizer >= Optimizer::adam ? 0.01 : 0.05;
    settings.dropout = 0.1;
    settings.l2 = 1e-4;
    settings.batch_size = batch_size;
    return settings;
}

}  // namespace ash::testing
