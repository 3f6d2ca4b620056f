// candidates_help.hpp: a small table and candidates of many kinds, for the tests of candidates.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/train/trainer.hpp"

namespace ash::testing {

inline constexpr int kRows = 150;
inline constexpr int kFeatures = 5;
inline constexpr int kClasses = 3;
inline constexpr std::uint64_t kSeed = 11;

// Returns rows whose class is mostly the index of the largest of their first three features.
inline Data make_data() {
    std::mt19937 random(1);
    std::vector<double> x(kRows * kFeatures);
    for (double& value : x) value = static_cast<double>(random() % 1000) / 100.0;
    std::vector<double> y;
    for (auto row = x.begin(); row != x.end(); row += kFeatures) {
        y.push_back(static_cast<double>(std::max_element(row, row + kClasses) - row));
    }
    std::vector<std::int64_t> training(100);
    std::vector<std::int64_t> validation(50);
    std::iota(training.begin(), training.end(), 0);
    std::iota(validation.begin(), validation.end(), 100);
    return Data({x.data(), y.data(), kRows, kFeatures, 1, kClasses}, training, validation, true);
}

inline std::vector<Settings> make_settings(int count) {
    std::vector<Settings> all;
    for (int i = 0; i < count; ++i) {
        Settings settings;
        settings.hidden.assign(static_cast<std::size_t>(i % 3), 8 + i);
        settings.activations.assign(static_cast<std::size_t>(i % 3), Activation::tanh);
        settings.optimizer = static_cast<Optimizer>(i % 5);
        settings.learning_rate = 0.003 * (1 + i % 4);
        settings.dropout = i % 2 == 0 ? 0.0 : 0.1;
        settings.batch_size = i % 4 == 0 ? 0 : 16 + i;
        settings.embedding = i % 4 == 3 ? Embedding::periodic : Embedding::none;
        settings.input_scaling = i % 4 >= 2;
        settings.parametric_activation = i % 6 >= 4;
        settings.parametrization = i % 5 >= 3 ? Parametrization::ntk : Parametrization::standard;
        all.push_back(settings);
    }
    return all;
}

inline std::vector<float> weights(const State& state) {
    return {state.weights.data(), state.weights.data() + state.weights.size()};
}

inline std::int64_t bytes(const State& state) {
    return 4 * (state.weights.size() + state.first_moment.size() + state.second_moment.size());
}

// Returns the weights of candidate `number` after jobs with these numbers of epochs, trained without class Candidates.
inline std::vector<float> trained(const Data& data, const Settings& settings, std::uint32_t number,
                                  const std::vector<std::int64_t>& jobs) {
    Workspace workspace(data, {&settings, 1});
    State state = initial_state(data.shape(), settings, kSeed, number);
    for (const std::int64_t epochs : jobs) {
        train(data, settings, {.epochs = epochs, .seed = kSeed, .candidate = number}, kernels(""), state, workspace);
    }
    return weights(state);
}

inline constexpr std::int64_t kNoLimit = 0;
inline constexpr std::int64_t kNothingWaits = 1;  // memory limit with which no waiting candidate keeps its state

// Returns the data as a fold that is scored by `metric`.
inline Fold fold_of(const Data& data, Continuation continuation = Continuation::resume,
                    Metric metric = Metric::accuracy, std::uint64_t seed = kSeed) {
    return {data, {.kernels = kernels(""), .seed = seed, .continuation = continuation, .metric = metric}};
}

struct Fixture {
    Data data = make_data();
    std::vector<Settings> settings = make_settings(10);
    std::atomic<bool> stop{false};
    std::atomic<std::uint32_t> bell{0};
    Team team{bell};

    Candidates candidates(Continuation continuation, std::int64_t limit = kNoLimit,
                          Metric metric = Metric::accuracy) const {
        return {{fold_of(data, continuation, metric)}, settings, std::ssize(settings), 1, limit};
    }

    // Trains a job, and immediately registers that its candidate waits.
    Result run(Candidates& all, const Job& job) {
        const Result result = all.train(job, 0, team, stop);
        all.wait(job.candidate, job.rung, result.score, result.loss);
        return result;
    }

    // Returns the weights of the candidate after a job.
    std::vector<float> weights_after(Candidates& all, const Job& job) {
        all.train(job, 0, team, stop);
        return weights(*all.publish(job.candidate).front());
    }
};

inline bool same(const Result& a, const Result& b) {
    return a.score == b.score && a.loss == b.loss && a.training_loss == b.training_loss &&
           a.weights_hash == b.weights_hash && a.stopped == b.stopped;
}

}  // namespace ash::testing
