// Initial states that depend on the rows: what is fitted and what is not, its bits, and its random numbers. What it
// computes is checked in tests/test_initialization.py too, there against an oracle.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ash/embedding.hpp"
#include "ash/initialization.hpp"
#include "recipe_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

Settings by_data(std::int64_t batch_size = 33) {
    Settings settings = recipe(Optimizer::adamw, batch_size);
    settings.initialization = Initialization::data;
    return settings;
}

const float* row_of(const State& state, const Layer& layer, int row) {
    return state.weights.data() + layer.offset + row * layer.stride;
}

// x W of all training rows for one neuron of layer 0, without its bias.
std::vector<double> sums_of(const State& state, const Rows& rows, int features, int neuron) {
    std::vector<double> sums;
    for (std::int64_t row = 0; row < rows.count; ++row) {
        double sum = 0.0;
        for (int i = 0; i < features; ++i)
            sum += double{rows.x.data()[row * rows.stride + i]} * row_of(state, state.layout.layers()[0], i)[neuron];
        sums.push_back(sum);
    }
    return sums;
}

double variance_of(const std::vector<double>& values) {
    double sum = 0.0;
    double squares = 0.0;
    for (const double value : values) {
        sum += value;
        squares += value * value;
    }
    const auto count = static_cast<double>(values.size());
    return squares / count - sum / count * (sum / count);
}

}  // namespace

TEST_CASE("a neuron of the first layer has variance 1 over the rows, and is zero between them") {
    const Data data = make_data(400, 9, 3);
    Settings settings = by_data();
    settings.embedding = Embedding::none;
    const State state = initial_state(data, settings, 5, 2, kernels(""));
    const Layer& first = state.layout.layers()[0];
    for (int o = 0; o < first.outputs; ++o) {
        const std::vector<double> sums = sums_of(state, data.training(), 9, o);
        CHECK(variance_of(sums) == doctest::Approx(1.0).epsilon(1e-5));
        const double zero = -double{row_of(state, first, first.inputs)[o]};
        CHECK(*std::min_element(sums.begin(), sums.end()) < zero);
        CHECK(zero < *std::max_element(sums.begin(), sums.end()));
    }
}

TEST_CASE("embedding, factors and padding are those of a state without rows, and the last layer is zero") {
    const Data data = make_mixed_data(300, 3);
    const Settings settings = by_data();
    const State state = initial_state(data, settings, 5, 2, kernels(""));
    const State plain = initial_state(data.shape(), settings, 5, 2);
    const auto layers = state.layout.layers();
    const std::int64_t behind = state.layout.embedding().offset;
    CHECK(std::equal(state.weights.data() + behind, state.weights.data() + state.weights.size(),
                     plain.weights.data() + behind));
    for (const Layer& layer : layers) {
        for (int row = 0; row <= layer.inputs; ++row) {
            const float* from = row_of(state, layer, row);
            CHECK(std::all_of(from + layer.outputs, from + layer.stride, [](float value) { return value == 0.0F; }));
        }
    }
    const float* last = row_of(state, layers.back(), 0);
    CHECK(std::all_of(last, last + layers.back().size(), [](float value) { return value == 0.0F; }));
}

TEST_CASE("without the setting rows have no part in it") {
    const Data data = make_mixed_data(200, 0);
    for (const auto value : {Initialization::automatic, Initialization::he, Initialization::xavier}) {
        Settings settings = by_data();
        settings.initialization = value;
        CHECK(same_bits(initial_state(data, settings, 5, 2, kernels("")).weights,
                        initial_state(data.shape(), settings, 5, 2).weights));
    }
}

TEST_CASE("each seed and candidate has rows, weights and biases of its own") {
    const Data data = make_mixed_data(2000, 3);  // 1500 to train on, more than are looked at
    const State first = initial_state(data, by_data(), 5, 2, kernels(""));
    CHECK(same_bits(first.weights, initial_state(data, by_data(), 5, 2, kernels("")).weights));
    CHECK_FALSE(same_bits(first.weights, initial_state(data, by_data(), 6, 2, kernels("")).weights));
    CHECK_FALSE(same_bits(first.weights, initial_state(data, by_data(), 5, 3, kernels("")).weights));
}

TEST_CASE("the same bits on every instruction set with fma, before and after training") {
    for (const int classes : {0, 3}) {
        const Data data = make_mixed_data(190, classes);
        for (const std::int64_t batch : {0, 33}) {
            const auto all = kernels_with_fma();
            const Trained expected = trained_by(data, by_data(batch), {2, 3}, *all.front());
            for (const Kernels* kernels : all) {
                CHECK(same_bits(initial_state(data, by_data(batch), 5, 2, *kernels).weights,
                                initial_state(data, by_data(batch), 5, 2, *all.front()).weights));
                CHECK(same(trained_by(data, by_data(batch), {2, 3}, *kernels), expected));
            }
        }
    }
}

TEST_CASE("the naive kernels agree") {
    const Data data = make_mixed_data(190, 3);
    const State fast = initial_state(data, by_data(), 5, 2, kernels(""));
    const State naive = initial_state(data, by_data(), 5, 2, kReference);
    for (std::int64_t i = 0; i < fast.weights.size(); ++i)
        CHECK(fast.weights.data()[i] == doctest::Approx(naive.weights.data()[i]).epsilon(1e-4));
}
