// Network candidates: resumed, restarted, published, diverged, and the same bits under any number of threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "ash/candidates.hpp"
#include "ash/trainer.hpp"
#include "ash/tuner.hpp"

namespace {

using ash::Continuation;
using ash::Job;
using ash::Metric;
using ash::NetworkCandidates;
using ash::Result;
using ash::Settings;

constexpr int kRows = 150;
constexpr int kFeatures = 5;
constexpr int kClasses = 3;
constexpr std::uint64_t kSeed = 11;

// Rows whose class is their largest of the first three features, more or less.
ash::Data make_data() {
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
    return ash::Data({x.data(), y.data(), kRows, kFeatures, 1, kClasses}, training, validation, true);
}

std::vector<Settings> make_settings(int count) {
    std::vector<Settings> all;
    for (int i = 0; i < count; ++i) {
        Settings settings;
        settings.hidden.assign(static_cast<std::size_t>(i % 3), 8 + i);
        settings.activations.assign(static_cast<std::size_t>(i % 3), ash::Activation::tanh);
        settings.optimizer = static_cast<ash::Optimizer>(i % 5);
        settings.learning_rate = 0.003 * (1 + i % 4);
        settings.dropout = i % 2 == 0 ? 0.0 : 0.1;
        settings.batch_size = i % 4 == 0 ? 0 : 16 + i;
        all.push_back(settings);
    }
    return all;
}

std::vector<float> weights(const ash::State& state) {
    return {state.weights.data(), state.weights.data() + state.weights.size()};
}

// What candidate `number` weighs after jobs of these epochs, trained by hand.
std::vector<float> trained(const ash::Data& data, const Settings& settings, std::uint32_t number,
                           const std::vector<std::int64_t>& jobs) {
    ash::Workspace workspace(data, {&settings, 1});
    ash::State state = ash::initial_state(data.features(), data.outputs(), settings, kSeed, number);
    for (const std::int64_t epochs : jobs) {
        ash::train(data, settings, {.epochs = epochs, .seed = kSeed, .candidate = number}, ash::kernels(""), state,
                   workspace);
    }
    return weights(state);
}

struct Fixture {
    ash::Data data = make_data();
    std::vector<Settings> settings = make_settings(8);
    std::atomic<bool> stop{false};

    NetworkCandidates candidates(Continuation continuation, Metric metric = Metric::accuracy) const {
        return NetworkCandidates(data, settings, continuation, metric, kSeed, ash::kernels(""), 1);
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "resume goes on from the state that the last job left") {
    NetworkCandidates all = candidates(Continuation::resume);
    all.train({4, 0, 1}, 0, stop);
    all.settle(4, true);
    all.train({4, 1, 2}, 0, stop);
    CHECK(weights(*all.publish(4)) == trained(data, settings[4], 4, {1, 2}));
}

TEST_CASE_FIXTURE(Fixture, "restart begins with the initial state") {
    NetworkCandidates all = candidates(Continuation::restart);
    all.train({4, 0, 1}, 0, stop);
    all.settle(4, true);
    all.train({4, 1, 2}, 0, stop);
    CHECK(weights(*all.publish(4)) == trained(data, settings[4], 4, {2}));
}

TEST_CASE_FIXTURE(Fixture, "a published state is never written again") {
    NetworkCandidates all = candidates(Continuation::resume);
    all.train({7, 0, 1}, 0, stop);
    const std::shared_ptr<const ash::State> first = all.publish(7);
    const std::vector<float> before = weights(*first);
    all.settle(7, true);
    all.train({7, 1, 2}, 0, stop);
    CHECK(weights(*first) == before);
    CHECK(weights(*all.publish(7)) == trained(data, settings[7], 7, {1, 2}));
    all.settle(7, false);
    CHECK(weights(*first) == before);
}

TEST_CASE_FIXTURE(Fixture, "a state that is not needed is freed") {
    NetworkCandidates all = candidates(Continuation::resume);
    all.train({1, 0, 1}, 0, stop);
    const std::weak_ptr<const ash::State> state = all.publish(1);
    all.settle(1, true);
    CHECK_FALSE(state.expired());
    all.settle(1, false);
    CHECK(state.expired());
}

TEST_CASE_FIXTURE(Fixture, "a stopped job has no result; one that diverges has one") {
    settings[1].optimizer = ash::Optimizer::sgd;
    settings[1].learning_rate = 1e30;
    settings[1].activations = {ash::Activation::relu};
    NetworkCandidates all = candidates(Continuation::resume);
    const Result lost = all.train({1, 0, 4}, 0, stop);
    CHECK_FALSE(lost.stopped);
    CHECK(std::isnan(lost.score));
    CHECK(std::isnan(lost.loss));
    stop = true;
    CHECK(all.train({2, 0, 1'000'000'000}, 0, stop).stopped);
}

TEST_CASE_FIXTURE(Fixture, "what cannot be trained is refused") {
    CHECK_THROWS_AS(candidates(Continuation::resume, Metric::r2), std::invalid_argument);
    settings[3].learning_rate = -1.0;
    CHECK_THROWS_AS(candidates(Continuation::resume), std::invalid_argument);
    settings.clear();
    CHECK_THROWS_AS(candidates(Continuation::resume), std::invalid_argument);
}

TEST_CASE_FIXTURE(Fixture, "the same results on any number of threads, and a best model that scores as recorded") {
    using Row = std::tuple<int, int, std::int64_t, double, double, double>;
    settings = make_settings(24);
    for (const Continuation continuation : {Continuation::resume, Continuation::restart}) {
        std::vector<Row> expected;
        for (const int threads : {1, 2, 3, 7}) {
            ash::Tuner tuner(std::make_unique<NetworkCandidates>(data, settings, continuation, Metric::auc, kSeed,
                                                                 ash::kernels(""), threads),
                             {.algorithm = ash::Algorithm::sh}, threads);
            tuner.start();
            REQUIRE(tuner.wait(60.0));
            std::vector<Row> rows;
            for (const ash::JobRecord& each : tuner.jobs()) {
                rows.emplace_back(each.job.rung, each.job.candidate, each.job.epochs, each.score, each.loss,
                                  each.training_loss);
            }
            std::ranges::sort(rows);
            CHECK(rows.size() == 24 + 12 + 6 + 3);
            if (expected.empty()) expected = rows;
            CHECK(rows == expected);

            const ash::Best best = tuner.best().value();
            ash::Workspace workspace(data, settings);
            workspace.prepare(data, settings[static_cast<std::size_t>(best.candidate)]);
            const ash::Evaluation again =
                ash::evaluate(data, *best.state, Metric::auc, ash::kernels(""), nullptr, workspace);
            CHECK(again.score == best.score);
            CHECK(again.loss == best.loss);
        }
    }
}
