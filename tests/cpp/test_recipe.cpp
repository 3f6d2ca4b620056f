// Tests training with RealMLP's recipe. Results must be bit-identical on every instruction set, after resuming, and in
// a used workspace. Padding must be zero, and a network must predict the same as the state from which it is made.
// tests/core/test_training.py checks the computed values.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ash/kernels/embedding.hpp"
#include "ash/train/network.hpp"
#include "recipe_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

constexpr Optimizer kOptimizers[] = {Optimizer::sgd, Optimizer::momentum, Optimizer::nesterov, Optimizer::adam,
                                     Optimizer::adamw};

// Returns candidates of several widths, with and without each part of the recipe.
std::vector<Settings> mixed_candidates() {
    std::vector<Settings> all;
    for (int i = 0; i < 16; ++i) {
        Settings settings = recipe(kOptimizers[i % 5], i % 3 == 0 ? 0 : 10 + 7 * i);
        if (i % 2 == 1) settings.embedding = Embedding::none;
        if (i % 4 >= 2) settings.input_scaling = false;
        if (i % 8 >= 4) settings.parametrization = Parametrization::standard;
        if (i % 3 == 1) settings.parametric_activation = false;
        if (i % 5 == 0) {
            settings.hidden.clear();
            settings.activations.clear();
        } else {
            settings.hidden = {3 + (i * 29) % 90, 1 + (i * 7) % 20};
        }
        all.push_back(settings);
    }
    return all;
}

bool is_positive_zero(float value) { return std::bit_cast<std::uint32_t>(value) == 0; }

// Returns whether all columns after the first `columns` are positive zero in the rows [count][stride] from `first` on.
bool padding_is_zero(const AlignedFloats& floats, std::int64_t first, std::int64_t count, std::int64_t columns,
                     std::int64_t stride) {
    for (std::int64_t row = 0; row < count && floats.size() > 0; ++row) {
        const float* from = floats.data() + first + row * stride;
        if (!std::all_of(from + columns, from + stride, is_positive_zero)) return false;
    }
    return true;
}

// Returns the same network for rows that are already standardized.
Network with_plain_inputs(const Network& network) {
    std::vector<LayerWeights> layers;
    std::vector<Activation> activations;
    for (std::size_t l = 0; l < network.layers(); ++l) layers.push_back(network.layer(l));
    for (std::size_t l = 0; l + 1 < network.layers(); ++l) activations.push_back(network.activation(l));
    return {layers, activations, network.classes(), no_scaling(kMixedFeatures), network.targets(), network.embedding()};
}

std::vector<float> predictions(const Network& network, const Rows& rows, const Kernels& kernels) {
    std::vector<float> x;
    for (std::int64_t row = 0; row < rows.count; ++row) {
        const float* from = rows.x.data() + row * rows.stride;
        x.insert(x.end(), from, from + kMixedFeatures);
    }
    std::vector<float> found(static_cast<std::size_t>(rows.count * network.outputs()));
    REQUIRE(network.predict(x.data(), rows.count, 2, kernels, found.data()));
    return found;
}

}  // namespace

TEST_CASE(
    "the recipe gives the same bits on each instruction set with fma, even resumed, weighted or in full batches") {
    for (const int classes : {0, 3}) {
        for (const bool weighted : {false, true}) {
            const Data data = make_mixed_data(190, classes, weighted);
            for (const std::int64_t batch : {0, 1, 33, 5000}) {
                const Settings settings = recipe(Optimizer::adamw, batch);
                const auto all = kernels_with_fma();
                for (const Kernels* kernels : all) {
                    CHECK(same(trained_by(data, settings, {1, 2}, *kernels),
                               trained_by(data, settings, {1, 2}, *all.front())));
                }
            }
        }
    }
}

TEST_CASE("each part of the recipe gives the same bits on every instruction set with fma, for every optimizer") {
    const Data data = make_mixed_data(120, 3);
    for (const Settings& settings : mixed_candidates()) {
        const auto all = kernels_with_fma();
        for (const Kernels* kernels : all)
            CHECK(same(trained_by(data, settings, {3}, *kernels), trained_by(data, settings, {3}, *all.front())));
    }
}

TEST_CASE("kernels and naive twins train nearly the same network with the recipe") {
    const Data data = make_mixed_data(150, 3);
    for (const Optimizer optimizer : {Optimizer::nesterov, Optimizer::adam}) {
        Settings settings = recipe(optimizer, 16);
        settings.learning_rate *= 0.2;
        const Trained slow = trained_by(data, settings, {3}, kReference);
        for (const Kernels* kernels : available_kernels()) {
            const Trained fast = trained_by(data, settings, {3}, *kernels);
            CHECK(fast.outcome.loss == doctest::Approx(slow.outcome.loss).epsilon(1e-4));
            CHECK(fast.evaluation.loss == doctest::Approx(slow.evaluation.loss).epsilon(1e-4));
        }
    }
}

TEST_CASE("a recipe job resumed from a copy in another workspace gives the bits of the original") {
    const Data data = make_mixed_data(190, 0, true);
    for (const std::int64_t batch : {0, 32}) {
        const Settings settings = recipe(Optimizer::adamw, batch);
        const Kernels& table = kernels("");
        Trained part = trained_by(data, settings, {1, 2}, table);
        const State copy = part.state;
        Workspace other(data, {&settings, 1});
        part.outcome = train(data, settings, {.epochs = 4, .seed = 5, .candidate = 2}, table, part.state, other);
        part.evaluation = evaluate(data, settings, part.state, Metric::r2, table, nullptr, other);
        CHECK(same(part, trained_by(data, settings, {1, 2, 4}, table)));
        CHECK_FALSE(same_bits(copy.weights, part.state.weights));
    }
}

// A cyclic learning rate depends on the length of the job, but a constant rate does not.
TEST_CASE("at a constant rate, several jobs equal a single one") {
    const Data data = make_mixed_data(190, 3, true);
    Settings settings = recipe(Optimizer::adam, 33);
    settings.learning_rate_schedule = LearningRateSchedule::constant;
    const Trained whole = trained_by(data, settings, {6}, kernels(""));
    CHECK(same(trained_by(data, settings, {2, 4}, kernels("")), whole));
    CHECK(same(trained_by(data, settings, {1, 1, 1, 1, 1, 1}, kernels("")), whole));
}

TEST_CASE("one workspace serves candidates with and without each part, even after a diverged candidate") {
    const Data data = make_mixed_data(120, 3);
    Settings wild = recipe(Optimizer::sgd, 16);
    wild.hidden = {90, 90};
    wild.activations.assign(2, Activation::relu);
    wild.learning_rate = 1e20;
    std::vector<Settings> all = mixed_candidates();
    all.push_back(wild);
    for (const Kernels* kernels : available_kernels()) {
        CAPTURE(std::string(kernels->name));
        Workspace used(data, all);
        for (std::size_t i = 0; i + 1 < all.size(); ++i) {
            CAPTURE(i);
            CHECK(trained_by(data, wild, {2}, *kernels, used).outcome.diverged);
            const Trained fresh = trained_by(data, all[i], {2}, *kernels);
            CHECK_FALSE(fresh.outcome.diverged);
            CHECK(same(trained_by(data, all[i], {2}, *kernels, used), fresh));
            CHECK(same(trained_by(data, all[i], {2}, *kernels, used), fresh));
        }
    }
}

TEST_CASE("a score depends only on the state, not on earlier use of the workspace") {
    const Data data = make_mixed_data(120, 3);
    const std::vector<Settings> all = mixed_candidates();
    Workspace used(data, all);
    std::vector<Trained> trained;
    for (const Settings& settings : all) trained.push_back(trained_by(data, settings, {2}, kernels(""), used));
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Evaluation again = evaluate(data, all[i], trained[i].state, Metric::accuracy, kernels(""), nullptr, used);
        CHECK(again.score == trained[i].evaluation.score);
        CHECK(again.loss == trained[i].evaluation.loss);
    }
}

TEST_CASE("padding of the embedding, the input factors and their moments is positive zero on every instruction set") {
    const Data data = make_mixed_data(120, 3);
    for (const Kernels* kernels : available_kernels()) {
        for (const Optimizer optimizer : kOptimizers) {
            const State state = trained_by(data, recipe(optimizer, 16), {3}, *kernels).state;
            const EmbeddingLayout& place = state.layout.embedding();
            const ScalingLayout& scaling = state.layout.scaling();
            const Layer& first = state.layout.layers().front();
            for (const AlignedFloats* floats : {&state.weights, &state.first_moment, &state.second_moment}) {
                CHECK(padding_is_zero(*floats, place.offset, embedding::kRows, place.numbers, place.stride));
                CHECK(padding_is_zero(*floats, scaling.offset, 1, first.inputs, padded(first.inputs)));
                CHECK(padding_is_zero(*floats, first.offset, first.inputs + 1, first.outputs, first.stride));
            }
        }
    }
}

TEST_CASE("a network predicts like its state, to the last bit") {
    for (const int classes : {0, 3}) {
        const Data data = make_mixed_data(120, classes);
        for (const Kernels* kernels : available_kernels()) {
            for (const Settings& settings : mixed_candidates()) {
                Workspace workspace(data, {&settings, 1});
                const State state = trained_by(data, settings, {2}, *kernels, workspace).state;
                const Network network(state, data);
                const std::int64_t rows = data.validation().count;
                std::vector<float> scored(static_cast<std::size_t>(rows * data.outputs()));
                evaluate(data, settings, state, classes > 0 ? Metric::accuracy : Metric::r2, *kernels, nullptr,
                         workspace, scored.data());
                CHECK(predictions(with_plain_inputs(network), data.validation(), *kernels) == scored);
            }
        }
    }
}

TEST_CASE("a table without numbers ignores the embedding") {
    const Data data = [] {
        const Data mixed = make_mixed_data(120, 3);
        std::vector<double> x;
        std::vector<double> y;
        std::vector<std::int64_t> rows;
        for (std::int64_t row = 0; row < mixed.training().count; ++row) {
            const float* from = mixed.training().x.data() + row * mixed.training().stride;
            x.insert(x.end(), from, from + kMixedFeatures);
            y.push_back(mixed.training().labels[static_cast<std::size_t>(row)]);
            rows.push_back(row);
        }
        return Data({x.data(), y.data(), std::ssize(y), kMixedFeatures, 1, 3}, rows, rows, false);
    }();
    CHECK(data.shape().numbers == 0);
    Settings settings = recipe(Optimizer::adam, 16);
    const Trained with = trained_by(data, settings, {2}, kernels(""));
    CHECK_FALSE(with.state.layout.embeds());
    settings.embedding = Embedding::none;
    CHECK(same(trained_by(data, settings, {2}, kernels("")), with));
}
