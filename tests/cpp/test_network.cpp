// Tests the scaling of data, and networks made from given weights: predictions, units, embeddings and refused parts.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "ash/data/random.hpp"
#include "ash/kernels/embedding.hpp"
#include "ash/train/network.hpp"

using namespace ash;

namespace {

const std::vector<double> kX{1, 5, 7, 2, 5, -3, 3, 5, 0,
                             4, 5, 9, 5, 5, 2,  6, 5, 1};  // [6][3]; the middle column is constant
const std::vector<std::int64_t> kTraining{0, 1, 2, 3};
const std::vector<std::int64_t> kValidation{4, 5};

Data regression(const std::vector<double>& y) {
    return {{kX.data(), y.data(), 6, 3, 1, 0}, kTraining, kValidation, true};
}

LayerWeights layer(int inputs, int outputs, float value) {
    return {inputs, outputs, std::vector<float>(static_cast<std::size_t>(inputs * outputs), value),
            std::vector<float>(static_cast<std::size_t>(outputs), value)};
}

// Returns an embedding of the features `numbers` in which all parameters are `value`.
EmbeddingWeights embedding_of(const std::vector<int>& numbers, float value) {
    return {numbers, std::vector<float>(embedding::kRows * numbers.size(), value)};
}

const Scaling kThree = no_scaling(3);
const Scaling kOne = no_scaling(1);
const OutputUnits kPlain = without_bounds(no_scaling(1));

}  // namespace

TEST_CASE("rows are standardized by centers and scales of the training rows only") {
    const Data data = regression({1, 2, 3, 4, 100, -100});
    CHECK(data.inputs().center[0] == 2.5);
    CHECK(data.inputs().scale[0] == 1.5);
    CHECK(data.units().center[0] == 2.5);
    CHECK(data.units().scale[0] == doctest::Approx(std::sqrt(1.25)));
    REQUIRE(data.constant_features().size() == 1);
    CHECK(data.constant_features()[0] == 1);
    CHECK(data.inputs().scale[1] == 1.0);
    for (int row = 0; row < 4; ++row) CHECK(data.training().x.data()[row * data.training().stride + 1] == 0.0F);
    const double z = 2.5 / 1.5;
    CHECK(data.validation().x.data()[0] == doctest::Approx(z / std::sqrt(1.0 + z * z / 9.0)));
    CHECK(data.validation().targets.data()[0] == doctest::Approx(97.5 / std::sqrt(1.25)));  // targets are not clipped
}

TEST_CASE("features have the same bits in prediction and in training") {
    std::vector<float> x;
    for (std::uint32_t i = 0; i < 3 * 500; ++i) {
        const float u = unit_float(philox({i, 0, 0, 0}, 5)[0]);
        x.push_back(i % 11 == 0 ? NAN : (u - 0.3F) / (0.001F + u * u));
    }
    const std::vector<double> doubles(x.begin(), x.end());
    const std::vector<double> y(500, 1.0);
    std::vector<std::int64_t> all;
    for (int row = 0; row < 500; ++row) all.push_back(row);
    const Data data({doubles.data(), y.data(), 500, 3, 1, 0}, all, all, true);
    const std::vector<LayerWeights> identity{{3, 3, {1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 0}}};
    const Network network(identity, {}, 0, data.inputs(), without_bounds(kThree));
    for (const Kernels* kernels : available_kernels()) {
        std::vector<float> found(1500);
        std::vector<float> of_floats(1500);
        CHECK(network.predict(doubles.data(), 500, 2, *kernels, found.data()));
        CHECK(network.predict(x.data(), 500, 1, *kernels, of_floats.data()));
        CHECK(found == of_floats);
        for (std::int64_t i = 0; i < 1500; ++i) {
            CHECK(found[static_cast<std::size_t>(i)] ==
                  data.training().x.data()[i / 3 * data.training().stride + i % 3]);
        }
    }
}

TEST_CASE("data with inconsistent shapes are refused") {
    const std::vector<double> y{0, 1, 2, 1, 0, 1};
    const std::vector<std::int64_t> none;
    const std::vector<std::int64_t> beyond{6};
    const Table table{kX.data(), y.data(), 6, 3, 1, 3};
    const Table two{kX.data(), y.data(), 6, 3, 1, 2};
    CHECK_THROWS_AS(Data(table, none, kValidation, true), std::invalid_argument);
    CHECK_THROWS_AS(Data(table, kTraining, beyond, true), std::invalid_argument);
    // `two` has a row of class 2, but states that there are two classes (0 and 1).
    CHECK_THROWS_AS(Data(two, kTraining, kValidation, true), std::invalid_argument);
    CHECK_NOTHROW(Data(table, kTraining, kValidation, true));
}

TEST_CASE("wide rows are not mapped to the same cache sets") {
    CHECK(padded(1) == 16);
    CHECK(padded(16) == 16);
    CHECK(padded(64) == 64);
    CHECK(padded(128) == 144);
    CHECK(padded(250) == 272);
    CHECK(padded(std::numeric_limits<std::int32_t>::max()) > std::numeric_limits<std::int32_t>::max());
}

TEST_CASE("a linear network predicts by its weights, in the units of y") {
    const std::vector<LayerWeights> layers{{3, 1, {2.0F, 0.0F, -1.0F}, {0.5F}}};
    const Network network(layers, {}, 0, {{1, 0, 0}, {2, 1, 1}, {0, 0, 0}}, without_bounds({{10}, {3}, {0}}));
    std::vector<float> results(6);
    network.predict(kX.data(), 6, 2, kernels(""), results.data());
    for (std::size_t row = 0; row < 6; ++row) {
        const double z = 2.0 * (kX[row * 3] - 1.0) / 2.0 - kX[row * 3 + 2] + 0.5;
        CHECK(results[row] == doctest::Approx(z * 3.0 + 10.0));
    }
}

TEST_CASE("predictions do not depend on the number of threads") {
    std::vector<double> x;
    for (std::uint32_t i = 0; i < 3 * 1000; ++i) x.push_back(unit_float(philox({i, 0, 0, 0}, 1)[0]));
    const std::vector<LayerWeights> layers{layer(3, 20, 0.1F), layer(20, 4, -0.3F)};
    const Network network(layers, {Activation::gelu}, 4, kThree, without_bounds(no_scaling(4)));
    std::vector<float> alone(4000);
    network.predict(x.data(), 1000, 1, kernels(""), alone.data());
    for (const int threads : {2, 3, 7, 64}) {
        std::vector<float> together(4000);
        network.predict(x.data(), 1000, threads, kernels(""), together.data());
        CHECK(together == alone);
    }
    for (std::size_t row = 0; row < 1000; ++row) {
        CHECK(alone[4 * row] + alone[4 * row + 1] + alone[4 * row + 2] + alone[4 * row + 3] == doctest::Approx(1.0));
    }
}

TEST_CASE("a prediction of no rows has no results") {
    const std::vector<LayerWeights> layers{layer(3, 1, 1.0F)};
    Network(layers, {}, 0, kThree, kPlain)
        .predict(static_cast<const double*>(nullptr), 0, 4, kernels(""), static_cast<float*>(nullptr));
}

TEST_CASE("floats predict like doubles and missing values like the center; numbers beyond float32 are refused") {
    const std::vector<LayerWeights> layers{layer(3, 1, 1.0F)};
    const Network network(layers, {}, 0, kThree, kPlain);
    std::vector<float> floats(600);
    for (std::size_t i = 0; i < floats.size(); ++i) floats[i] = 0.25F * static_cast<float>(i % 37);
    std::vector<double> doubles(floats.begin(), floats.end());
    std::vector<float> one(200);
    std::vector<float> other(200);
    CHECK(network.predict(floats.data(), 200, 2, kernels(""), one.data()));
    CHECK(network.predict(doubles.data(), 200, 2, kernels(""), other.data()));
    CHECK(one == other);
    doubles[301] = std::numeric_limits<double>::quiet_NaN();
    CHECK(network.predict(doubles.data(), 200, 2, kernels(""), one.data()));
    doubles[301] = network.inputs().center[1];
    CHECK(network.predict(doubles.data(), 200, 2, kernels(""), other.data()));
    CHECK(one == other);
    for (const double bad : {1e39, -1e39, std::numeric_limits<double>::infinity()}) {
        doubles[301] = bad;
        CHECK_FALSE(network.predict(doubles.data(), 200, 2, kernels(""), other.data()));
    }
    floats[1] = -std::numeric_limits<float>::infinity();
    CHECK_FALSE(network.predict(floats.data(), 200, 2, kernels(""), other.data()));
}

TEST_CASE("double results are the targets and probabilities before rounding") {
    constexpr std::size_t kRows = 300;
    std::vector<float> floats(3 * kRows);
    for (std::size_t i = 0; i < floats.size(); ++i) floats[i] = 0.25F * static_cast<float>(i % 37);
    const std::vector<double> doubles(floats.begin(), floats.end());
    for (const int classes : {0, 2}) {
        const int outputs = std::max(classes, 1);
        const std::vector<LayerWeights> layers{layer(3, outputs, 1.0F)};
        OutputUnits units = without_bounds(no_scaling(static_cast<std::size_t>(outputs)));
        if (classes == 0) units.scaling.center[0] = 1e9;
        const Network network(layers, {}, classes, kThree, units);
        std::vector<double> wide(kRows * static_cast<std::size_t>(outputs));
        std::vector<double> also_wide(wide.size());
        std::vector<float> narrow(wide.size());
        CHECK(network.predict(doubles.data(), kRows, 2, kernels(""), wide.data()));
        CHECK(network.predict(floats.data(), kRows, 1, kernels(""), also_wide.data()));
        CHECK(network.predict(doubles.data(), kRows, 1, kernels(""), narrow.data()));
        CHECK(wide == also_wide);
        CHECK(narrow == std::vector<float>(wide.begin(), wide.end()));
        if (classes == 0)
            CHECK(wide[1] - wide[0] == floats[3] + floats[4] + floats[5] - floats[0] - floats[1] - floats[2]);
    }
}

TEST_CASE("a network returns the layers from which it was built") {
    const std::vector<LayerWeights> layers{layer(3, 130, 0.25F), layer(130, 1, 0.5F)};
    const Network network(layers, {Activation::relu}, 0, kThree, kPlain);
    for (std::size_t l = 0; l < 2; ++l) {
        CHECK(network.layer(l).weights == layers[l].weights);
        CHECK(network.layer(l).biases == layers[l].biases);
    }
}

TEST_CASE("a network refuses parts that do not fit together") {
    const std::vector<LayerWeights> good{layer(3, 2, 1.0F), layer(2, 1, 1.0F)};
    const std::vector<LayerWeights> broken{layer(3, 2, 1.0F), layer(3, 1, 1.0F)};
    std::vector<LayerWeights> infinite = good;
    infinite[1].weights[0] = std::numeric_limits<float>::infinity();
    std::vector<LayerWeights> short_weights = good;
    short_weights[0].weights.pop_back();
    const std::vector<Activation> one{Activation::relu};
    CHECK_NOTHROW(Network(good, one, 0, kThree, kPlain));
    CHECK_THROWS_AS(Network({}, {}, 0, kThree, kPlain), std::invalid_argument);
    CHECK_THROWS_AS(Network(broken, one, 0, kThree, kPlain), std::invalid_argument);
    CHECK_THROWS_AS(Network(infinite, one, 0, kThree, kPlain), std::invalid_argument);
    CHECK_THROWS_AS(Network(short_weights, one, 0, kThree, kPlain), std::invalid_argument);
    CHECK_THROWS_AS(Network(good, {}, 0, kThree, kPlain), std::invalid_argument);
    CHECK_THROWS_AS(Network(good, one, 3, kThree, kPlain), std::invalid_argument);
    CHECK_THROWS_AS(Network(good, one, 0, kOne, kPlain), std::invalid_argument);
    CHECK_THROWS_AS(Network(good, one, 0, kThree, without_bounds({{0}, {0}, {0}})), std::invalid_argument);
    CHECK_THROWS_AS(Network(good, one, 0, kThree, without_bounds({{0}, {5e-324}, {0}})), std::invalid_argument);
    CHECK_THROWS_AS(Network(good, one, 0, {{0, 0, 0}, {1, 1, 1}, {0, 2, 3}}, kPlain), std::invalid_argument);
    CHECK_THROWS_AS(Network(good, one, 0, {{0, 0, 0}, {1, 1, 1}, {3, 3}}, kPlain), std::invalid_argument);
    CHECK_NOTHROW(Network(good, one, 0, {{0, 0, 0}, {1, 1, 1}, {0, 0, 3}}, kPlain));
}

// Of the features x = 2, 3, 4, the values 2 and 4 are embedded. Each gives three values, all equal to 0.25 + 16 * 0.25
// * cos(2 pi (0.25 x + 0.25)).
TEST_CASE("the embedding of numbers follows the other features in the inputs of the first layer") {
    const EmbeddingWeights embedding = embedding_of({0, 2}, 0.25F);
    std::vector<float> first(9);
    for (std::size_t input = 0; input < 9; ++input) first[input] = static_cast<float>(input + 1);
    const std::vector<LayerWeights> layers{{9, 1, first, {0.5F}}};
    const Network network(layers, {}, 0, kThree, kPlain, embedding);
    const std::vector<double> x{2, 3, 4};
    const auto value = [](double number) {
        return 0.25 + 4.0 * std::cos(2.0 * std::numbers::pi * (0.25 * number + 0.25));
    };
    const double expected = 0.5 + 2 + 2 * 3 + 3 * 4 + (4 + 6 + 8) * value(2) + (5 + 7 + 9) * value(4);
    std::vector<float> results(1);
    REQUIRE(network.predict(x.data(), 1, 1, kernels(""), results.data()));
    CHECK(results[0] == doctest::Approx(expected).epsilon(1e-5));
    CHECK(network.features() == 3);
    CHECK(network.embedding().numbers == embedding.numbers);
    CHECK(network.embedding().parameters == embedding.parameters);
}

TEST_CASE("a network refuses an embedding that does not fit") {
    const std::vector<LayerWeights> layers{layer(9, 1, 1.0F)};
    const auto made = [&](const EmbeddingWeights& embedding) {
        return Network(layers, {}, 0, kThree, kPlain, embedding).features();
    };
    CHECK(made(embedding_of({0, 2}, 1.0F)) == 3);
    CHECK(made(embedding_of({1, 2}, 1.0F)) == 3);
    for (const std::vector<int>& numbers :
         {std::vector<int>{}, {0}, {0, 1, 2}, {2, 0}, {1, 1}, {-1, 0}, {0, 3}, {0, 1 << 30}, {-(1 << 30), 1}})
        CHECK_THROWS_AS(made(embedding_of(numbers, 1.0F)), std::invalid_argument);
    EmbeddingWeights broken = embedding_of({0, 2}, 1.0F);
    broken.parameters.back() = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_AS(made(broken), std::invalid_argument);
    broken.parameters.pop_back();
    CHECK_THROWS_AS(made(broken), std::invalid_argument);
    CHECK_THROWS_AS(made({{}, {1.0F}}), std::invalid_argument);
    const std::vector<LayerWeights> plain{layer(3, 1, 1.0F)};
    CHECK_THROWS_AS(Network(plain, {}, 0, kThree, kPlain, {{}, {1.0F}}), std::invalid_argument);
    CHECK_THROWS_AS(Network(plain, {}, 0, kThree, kPlain, embedding_of({0}, 1.0F)), std::invalid_argument);
}
