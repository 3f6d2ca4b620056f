// Tests training as used by the tuner: the bits of weights do not depend on the division into jobs, the workspace or
// the instruction set, and training can be stopped. tests/core/test_training.py compares the computed values with an
// independent network.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <string>
#include <vector>

#include "ash/data/random.hpp"
#include "ash/train/evaluation.hpp"
#include "ash/train/learning_rate.hpp"
#include "ash/train/trainer.hpp"
#include "recipe_help.hpp"
#include "training_data.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

Trained run(const Data& data, const Settings& settings, const std::vector<std::int64_t>& jobs, const Kernels& kernels) {
    Workspace workspace(data, {&settings, 1});
    return trained_by(data, settings, jobs, kernels, workspace);
}

}  // namespace

TEST_CASE("training gives the same bits on every instruction set with fma") {
    const Data data = make_data(300, 9, 4);
    for (const Optimizer optimizer : {Optimizer::sgd, Optimizer::momentum, Optimizer::nesterov, Optimizer::adam}) {
        for (const std::int64_t batch : {0, 1, 33, 5000}) {
            const Settings settings = settings_of(optimizer, batch);
            const Kernels* first = nullptr;
            for (const Kernels* kernels : available_kernels()) {
                if (!kernels->fma) continue;
                if (first == nullptr) first = kernels;
                const Trained a = run(data, settings, {2, 4}, *first);
                const Trained b = run(data, settings, {2, 4}, *kernels);
                CHECK(same_bits(a.state.weights, b.state.weights));
                CHECK(a.evaluation.score == b.evaluation.score);
                CHECK(a.evaluation.loss == b.evaluation.loss);
            }
        }
    }
}

TEST_CASE("kernels and naive twins train nearly the same network") {
    const Data data = make_data(200, 6, 3);
    for (const Optimizer optimizer : {Optimizer::nesterov, Optimizer::adam}) {
        const Settings settings = settings_of(optimizer, 16);
        const Trained slow = run(data, settings, {3}, kReference);
        for (const Kernels* kernels : available_kernels()) {
            const Trained fast = run(data, settings, {3}, *kernels);
            CHECK(fast.outcome.loss == doctest::Approx(slow.outcome.loss).epsilon(1e-4));
            CHECK(fast.evaluation.loss == doctest::Approx(slow.evaluation.loss).epsilon(1e-4));
        }
    }
}

TEST_CASE("a job resumed from a copy of a state gives the bits of the original") {
    const Data data = make_data(300, 9, 0, 3);
    const Settings settings = settings_of(Optimizer::adamw, 32);
    const Kernels& table = kernels("");
    const Trained whole = run(data, settings, {1, 2, 4}, table);
    Workspace workspace(data, {&settings, 1});
    State state = initial_state(data.shape(), settings, 5, 2);
    train(data, settings, {.epochs = 1, .seed = 5, .candidate = 2}, table, state, workspace);
    train(data, settings, {.epochs = 2, .seed = 5, .candidate = 2}, table, state, workspace);
    State copy = state;
    Workspace other(data, {&settings, 1});
    train(data, settings, {.epochs = 4, .seed = 5, .candidate = 2}, table, copy, other);
    CHECK(same_bits(copy.weights, whole.state.weights));
    CHECK(copy.epochs == 7);
}

TEST_CASE("the bits of training depend on seed and candidate") {
    const Data data = make_data(100, 4, 2);
    const Settings settings = settings_of(Optimizer::sgd, 16);
    const State first = initial_state({4, 2}, settings, 0, 0);
    CHECK_FALSE(same_bits(first.weights, initial_state({4, 2}, settings, 1, 0).weights));
    CHECK_FALSE(same_bits(first.weights, initial_state({4, 2}, settings, 0, 1).weights));
}

TEST_CASE("training lowers the loss") {
    Settings settings = settings_of(Optimizer::adam, 16);
    settings.dropout = 0.0;
    const Data classes = make_data(1000, 2, 2);
    const Data numbers = make_data(1000, 2, 0);
    CHECK(run(classes, settings, {50}, kernels("")).evaluation.score > 0.8);
    CHECK(run(numbers, settings, {50}, kernels("")).evaluation.score > 0.95);
}

TEST_CASE("a network that is not finite is detected at the end of its epoch") {
    const Data data = make_data(100, 4, 0);
    Settings settings = settings_of(Optimizer::sgd, 10);
    settings.activations = {Activation::relu, Activation::relu};
    settings.learning_rate = 1e6;
    const Trained trained = run(data, settings, {20}, kernels(""));
    CHECK(trained.outcome.diverged);
    CHECK_FALSE(trained.outcome.stopped);
    CHECK(trained.state.epochs < 20);
}

TEST_CASE("a flag stops training within a block of rows") {
    const Data data = make_data(100, 4, 2);
    const Settings settings = settings_of(Optimizer::sgd, 10);
    const std::atomic<bool> stop{true};
    State state = initial_state({4, 2}, settings, 0, 0);
    Workspace workspace(data, {&settings, 1});
    CHECK(train(data, settings, {.epochs = 1 << 30, .seed = 0, .candidate = 0, .stop = &stop}, kernels(""), state,
                workspace)
              .stopped);
    CHECK(evaluate(data, settings, state, Metric::accuracy, kernels(""), &stop, workspace).stopped);
}

TEST_CASE("one workspace serves candidates of every size in any order") {
    const Data data = make_data(200, 5, 3);
    std::vector<Settings> candidates{settings_of(Optimizer::adam, 0), settings_of(Optimizer::sgd, 7),
                                     settings_of(Optimizer::adam, 64)};
    candidates[1].hidden.assign(1, 150);
    candidates[1].activations.assign(1, Activation::relu);
    candidates[2].hidden.clear();
    candidates[2].activations.clear();
    Workspace workspace(data, candidates);
    for (const Settings& settings : candidates) {
        State state = initial_state(data.shape(), settings, 5, 2);
        train(data, settings, {.epochs = 2, .seed = 5, .candidate = 2}, kernels(""), state, workspace);
        CHECK(same_bits(state.weights, run(data, settings, {2}, kernels("")).state.weights));
    }
}

TEST_CASE("a diverged network does not affect the next network in its workspace") {
    const Data data = make_data(200, 5, 3);
    Settings wild = settings_of(Optimizer::sgd, 16);
    wild.hidden = {90, 90, 90};
    wild.activations.assign(3, Activation::relu);
    wild.learning_rate = 1e20;
    for (int width = 1; width <= 40; ++width) {
        Settings tame = settings_of(Optimizer::adam, 16);
        tame.hidden = {width, width + 3};
        Workspace workspace(data, {&wild, 1});
        State broken = initial_state(data.shape(), wild, 5, 1);
        CHECK(train(data, wild, {.epochs = 2, .seed = 5, .candidate = 1}, kernels(""), broken, workspace).diverged);
        workspace.prepare(data, tame);
        State state = initial_state(data.shape(), tame, 5, 2);
        CHECK_FALSE(
            train(data, tame, {.epochs = 2, .seed = 5, .candidate = 2}, kernels(""), state, workspace).diverged);
        CHECK(same_bits(state.weights, run(data, tame, {2}, kernels("")).state.weights));
    }
}

TEST_CASE("the learning rate's cosine equals libm's to thirteen digits") {
    for (int i = 0; i <= 1000; ++i) {
        const double t = i / 1000.0;
        CHECK(std::abs(cosine_of_half_turn(t) - std::cos(3.14159265358979323846 * t)) < 1e-12);
    }
    CHECK(cycle(0.0) == doctest::Approx(1.0));
    CHECK(cycle(1.0) == doctest::Approx(0.0));
}
