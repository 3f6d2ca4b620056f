// Tests the positions and initial values of parameters, for each part of the recipe separately and for all together.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ash/data/random.hpp"
#include "ash/kernels/embedding.hpp"
#include "ash/model/state.hpp"
#include "recipe_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

constexpr Shape kShape{10, 3, 5};
constexpr int kInputs = 10 + embedding::kDimensions * 5;

Settings chosen(bool embeds, bool scales, bool ntk) {
    Settings settings = settings_of(Optimizer::adam, 32);
    settings.embedding = embeds ? Embedding::periodic : Embedding::none;
    settings.input_scaling = scales;
    settings.parametrization = ntk ? Parametrization::ntk : Parametrization::standard;
    settings.parametric_activation = ntk;
    return settings;
}

// parts() returns each part of the arena, and copies() each copy of weights, as (offset, size) in order of offset.
std::vector<std::pair<std::int64_t, std::int64_t>> parts(const Layout& layout) {
    std::vector<std::pair<std::int64_t, std::int64_t>> all;
    for (const Layer& layer : layout.layers()) all.emplace_back(layer.offset, layer.size());
    const EmbeddingLayout& place = layout.embedding();
    if (layout.embeds()) all.emplace_back(place.offset, embedding::kRows * place.stride);
    if (layout.scaling().learned) all.emplace_back(layout.scaling().offset, padded(layout.layers().front().inputs));
    return all;
}

std::vector<std::pair<std::int64_t, std::int64_t>> copies(const Layout& layout) {
    std::vector<std::pair<std::int64_t, std::int64_t>> all;
    for (std::size_t l = layout.embeds() ? 0 : 1; l < layout.layers().size(); ++l) {
        const Layer& layer = layout.layers()[l];
        all.emplace_back(layer.transposed, layer.outputs * layer.transposed_stride());
    }
    const Layer& first = layout.layers().front();
    if (layout.scaling().learned) all.emplace_back(layout.scaling().copy, first.inputs * first.stride);
    return all;
}

// Checks that the parts start at whole cache lines and cover everything from 0 to the end without gaps.
void check_cover(const std::vector<std::pair<std::int64_t, std::int64_t>>& all, std::int64_t end) {
    std::int64_t next = 0;
    for (const auto& [first, size] : all) {
        CHECK(first == next);
        CHECK(first % kLineFloats == 0);
        next += size;
    }
    CHECK(next == end);
}

std::vector<float> row(const State& state, std::int64_t offset, int count) {
    return {state.weights.data() + offset, state.weights.data() + offset + count};
}

}  // namespace

TEST_CASE("parts are contiguous, and input factors do not move the other parts") {
    for (const bool embeds : {false, true}) {
        for (const bool scales : {false, true}) {
            const Layout layout(kShape, chosen(embeds, scales, false));
            check_cover(parts(layout), layout.size());
            check_cover(copies(layout), layout.copies_size());
            CHECK(layout.features() == 10);
            CHECK(layout.layers().front().inputs == (embeds ? kInputs : 10));
            const Layout plain = layout.without_scaling();
            check_cover(parts(plain), plain.size());
            check_cover(copies(plain), plain.copies_size());
            CHECK(plain.size() == Layout(kShape, chosen(embeds, false, false)).size());
            CHECK(plain.embeds() == embeds);
        }
    }
}

TEST_CASE("shares of activations are a row after the biases of each hidden layer") {
    Settings settings = chosen(true, true, false);
    const Layout plain(kShape, settings);
    settings.parametric_activation = true;
    const State state = initial_state(kShape, settings, 3, 4);
    const Layout& layout = state.layout;
    check_cover(parts(layout), layout.size());
    std::int64_t strides = 0;
    for (const Layer& layer : layout.layers().first(2)) {
        CHECK(layer.parametric);
        CHECK(layer.shares() + layer.stride == layer.offset + layer.size());
        CHECK(row(state, layer.shares(), layer.outputs) ==
              std::vector<float>(static_cast<std::size_t>(layer.outputs), 1.0F));
        strides += layer.stride;
    }
    CHECK_FALSE(layout.layers().back().parametric);
    CHECK(layout.size() == plain.size() + strides);
    CHECK(layout.copies_size() == plain.copies_size());
}

TEST_CASE("a table without numbers has no embedding") {
    const Layout layout({10, 3, 0}, chosen(true, false, false));
    CHECK_FALSE(layout.embeds());
    CHECK(layout.size() == Layout({10, 3}, chosen(false, false, false)).size());
}

TEST_CASE("factors on the learning rate are 1, or under ntk the factors of its definition") {
    for (const bool ntk : {false, true}) {
        const Layout layout(kShape, chosen(true, true, ntk));
        for (const Layer& layer : layout.layers()) {
            CHECK(layer.rate == (ntk ? 1.0F / std::sqrt(static_cast<float>(layer.inputs)) : 1.0F));
            CHECK(layer.bias_rate == (ntk ? 0.1F : 1.0F));
            CHECK(layer.share_rate == (ntk ? 0.1F : 1.0F));
        }
        CHECK(layout.embedding().rate == (ntk ? 0.1F : 1.0F));
        CHECK(layout.scaling().rate == (ntk ? 6.0F : 1.0F));
    }
}

TEST_CASE("before training, input factors are 1, and the last layer is zero under ntk") {
    for (const bool ntk : {false, true}) {
        const State state = initial_state(kShape, chosen(true, true, ntk), 3, 4);
        CHECK(row(state, state.layout.scaling().offset, kInputs) == std::vector<float>(kInputs, 1.0F));
        const Layer& last = state.layout.layers().back();
        const std::vector<float> weights = row(state, last.offset, last.inputs * static_cast<int>(last.stride));
        CHECK(std::all_of(weights.begin(), weights.end(), [](float value) { return value == 0.0F; }) == ntk);
    }
}

// From this property it follows that leaving out one part of the recipe does not change the initial values of the other
// parts.
TEST_CASE("initial embeddings depend only on the candidate's number") {
    const auto first_frequencies = [](const Settings& settings, std::uint64_t seed, std::uint32_t candidate) {
        const State state = initial_state(kShape, settings, seed, candidate);
        return row(state, state.layout.embedding().offset, 5);
    };
    Settings settings = chosen(true, false, false);
    const std::vector<float> expected = first_frequencies(settings, 3, 4);
    CHECK(first_frequencies(chosen(true, true, true), 3, 4) == expected);
    settings.hidden.assign(1, 5);
    settings.activations.assign(1, Activation::relu);
    CHECK(first_frequencies(settings, 3, 4) == expected);
    CHECK(first_frequencies(settings, 3, 5) != expected);
    CHECK(first_frequencies(settings, 4, 4) != expected);
    settings.embedding_frequency *= 8.0;
    for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(first_frequencies(settings, 3, 4)[i] == doctest::Approx(8.0F * expected[i]));
    settings.embedding_frequency = 0.0;
    for (const float frequency : first_frequencies(settings, 3, 4)) CHECK(frequency == 0.0F);
}

TEST_CASE("settings out of range are refused by name") {
    Settings settings = chosen(true, true, true);
    CHECK_NOTHROW(check(settings));
    for (const double bad : {-1e-9, 1.1e6, double{NAN}, double{INFINITY}}) {
        settings.embedding_frequency = bad;
        CHECK_THROWS_WITH_AS(check(settings), doctest::Contains("embedding_frequency"), std::invalid_argument);
    }
}

TEST_CASE("a layout whose sizes or random numbers would overflow is refused before any allocation") {
    constexpr int kMost = std::numeric_limits<int>::max();
    Settings settings;
    const auto refuses = [&](const Shape& shape) { CHECK_THROWS_AS(Layout(shape, settings), std::invalid_argument); };
    for (const int features : {-1, 0, kMostColumns + 1, kMost}) refuses({features, 1});
    for (const int outputs : {-1, 0, kMostColumns + 1, kMost}) refuses({1, outputs});
    for (const int numbers : {-1, 11, kMost}) refuses({10, 1, numbers});
    settings.embedding = Embedding::periodic;
    settings.hidden = {1};
    const Layout most({kMostColumns, kMostColumns, kMostColumns}, settings);
    CHECK(most.layers().front().inputs == (1 + embedding::kDimensions) * kMostColumns);
    CHECK(most.size() > 0);
    settings.hidden = {1 << 20, 1 << 14};  // 2^34 weights
    settings.activations.assign(2, Activation::relu);
    CHECK(Layout({1, 1}, settings).size() > std::int64_t{1} << 34);
    settings.hidden = {1 << 20, (1 << 14) + 1};
    refuses({1, 1});
    settings.hidden = {1 << 20, 1 << 20};
    refuses({1, 1});
    CHECK_THROWS_WITH_AS(initial_state({1, 1}, settings, 0, 0), doctest::Contains("1048576 x 1048576"),
                         std::invalid_argument);
}
