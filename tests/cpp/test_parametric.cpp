// Tests parametric activations: kernels against naive twins, and networks that use them.
#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "ash/train/network.hpp"
#include "kernel_help.hpp"
#include "recipe_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

struct Parts {
    AlignedFloats y;
    AlignedFloats slope;
    AlignedFloats excess;
};

Parts activated(const Kernels& kernels, Activation activation, const AlignedFloats& shares, const AlignedFloats& x,
                Block block) {
    Parts parts{x, AlignedFloats(x.size()), AlignedFloats(x.size())};
    kernels.activate_parametric(activation, shares.data(), parts.y.data(), parts.slope.data(), parts.excess.data(),
                                block);
    return parts;
}

AlignedFloats wide_block(Block block, std::uint64_t seed) {
    AlignedFloats values = random_block(block, seed);
    for (std::int64_t i = 0; i < values.size(); ++i) values.data()[i] *= 6.0F;
    return values;
}

}  // namespace

TEST_CASE("parametric activations, their slopes and excesses equal their definition") {
    for (const Kernels* kernels : tested_kernels()) {
        CAPTURE(std::string(kernels->name));
        for (int size = 1; size <= kLargest; ++size) {
            const Block block = block_of(kLargest + 1 - size, size);
            const AlignedFloats shares = random_block({1, block.columns, block.stride}, 31);
            const AlignedFloats x = wide_block(block, 32);
            for (const Activation activation : kActivations) {
                const Parts fast = activated(*kernels, activation, shares, x, block);
                const Parts slow = activated(kReference, activation, shares, x, block);
                CHECK(distance(fast.y, slow.y, block) <= 4e-6);
                CHECK(distance(fast.slope, slow.slope, block) <= 4e-6);
                CHECK(distance(fast.excess, slow.excess, block) <= 4e-6);
                AlignedFloats alone = x;
                kernels->activate_parametric(activation, shares.data(), alone.data(), nullptr, nullptr, block);
                CHECK(distance(alone, fast.y, block) == 0.0);
            }
        }
    }
}

TEST_CASE("parametric activations have the same bits on every instruction set with fma") {
    const Block block = block_of(9, 45);
    const AlignedFloats shares = random_block({1, block.columns, block.stride}, 33);
    const AlignedFloats x = wide_block(block, 34);
    for (const Activation activation : kActivations) {
        const auto all = kernels_with_fma();
        const Parts first = activated(*all.front(), activation, shares, x, block);
        for (const Kernels* kernels : all) {
            const Parts own = activated(*kernels, activation, shares, x, block);
            CHECK(distance(own.y, first.y, block) == 0.0);
            CHECK(distance(own.slope, first.slope, block) == 0.0);
            CHECK(distance(own.excess, first.excess, block) == 0.0);
        }
    }
}

TEST_CASE("parametric activations equal plain activations with shares of 1 and the identity with shares of 0") {
    const Block block = block_of(5, 37);
    const AlignedFloats x = wide_block(block, 35);
    AlignedFloats ones(block.stride);
    std::fill_n(ones.data(), block.columns, 1.0F);
    AlignedFloats slopes_of_identity(x.size());
    std::fill_n(slopes_of_identity.data(), x.size(), 1.0F);
    for (const Kernels* kernels : tested_kernels()) {
        for (const Activation activation : kActivations) {
            AlignedFloats y = x;
            AlignedFloats slope(x.size());
            kernels->activate(activation, y.data(), slope.data(), block);
            const Parts whole = activated(*kernels, activation, ones, x, block);
            CHECK(distance(whole.y, y, block) == 0.0);
            CHECK(distance(whole.slope, slope, block) == 0.0);
            const Parts nothing = activated(*kernels, activation, AlignedFloats(block.stride), x, block);
            CHECK(distance(nothing.y, x, block) == 0.0);
            CHECK(distance(nothing.slope, slopes_of_identity, block) == 0.0);
        }
    }
}

TEST_CASE("deltas of parametric activations, and their dropout, equal their twins") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int size = 1; size <= kLargest; ++size) {
            const Block block = block_of(1 + (size * 7) % 40, size);
            Parts fast{random_block(block, 36), random_block(block, 37), random_block(block, 38)};
            Parts slow = fast;
            const Dropout dropout{.key = 5, .first = 3, .threshold = 0x60000000U, .scale = 1.6F};
            kernels->drop(fast.y.data(), fast.slope.data(), fast.excess.data(), block, dropout);
            kReference.drop(slow.y.data(), slow.slope.data(), slow.excess.data(), block, dropout);
            CHECK(distance(fast.excess, slow.excess, block) == 0.0);
            CHECK(std::count(fast.excess.data(), fast.excess.data() + fast.excess.size(), 0.0F) ==
                  std::count(fast.slope.data(), fast.slope.data() + fast.slope.size(), 0.0F));
            kernels->delta_parametric(fast.y.data(), fast.slope.data(), fast.excess.data(), block);
            kReference.delta_parametric(slow.y.data(), slow.slope.data(), slow.excess.data(), block);
            CHECK(distance(fast.y, slow.y, block) == 0.0);
            CHECK(distance(fast.excess, slow.excess, block) == 0.0);
        }
    }
}

TEST_CASE("shares and their moments have padding of positive zero on every instruction set") {
    const Data data = make_mixed_data(120, 3);
    for (const Kernels* kernels : available_kernels()) {
        const State state = trained_by(data, recipe(Optimizer::adamw, 16), {3}, *kernels).state;
        for (const Layer& layer : state.layout.layers()) {
            if (!layer.parametric) continue;
            for (const AlignedFloats* floats : {&state.weights, &state.first_moment, &state.second_moment}) {
                const float* shares = floats->data() + layer.shares();
                CHECK(std::all_of(shares + layer.outputs, shares + layer.stride,
                                  [](float value) { return std::bit_cast<std::uint32_t>(value) == 0; }));
                CHECK(std::all_of(shares, shares + layer.outputs, [](float value) { return value != 0.0F; }));
            }
        }
    }
}

TEST_CASE("buffers of parametric activations are allocated only if needed") {
    const Data data = make_mixed_data(120, 3);
    Settings settings = recipe(Optimizer::adam, 16);
    CHECK(Workspace(data, {&settings, 1}).slopes.size() > 0);
    CHECK(Workspace(data, {&settings, 1}).excesses.size() > 0);
    settings.parametric_activation = false;
    CHECK(Workspace(data, {&settings, 1}).slopes.size() == 0);
    CHECK(Workspace(data, {&settings, 1}).excesses.size() == 0);
    settings.parametric_activation = true;
    settings.hidden.clear();
    settings.activations.clear();
    CHECK(Workspace(data, {&settings, 1}).excesses.size() == 0);
}

TEST_CASE("a network has shares in each hidden layer or in none") {
    const LayerWeights first{2, 3, std::vector<float>(6, 0.5F), std::vector<float>(3), std::vector<float>(3, 0.25F)};
    const LayerWeights last{3, 1, std::vector<float>(3, 1.0F), std::vector<float>(1)};
    const auto make = [](const LayerWeights& one, const LayerWeights& other) {
        return Network(std::vector<LayerWeights>{one, other}, {Activation::relu}, 0, no_scaling(2),
                       without_bounds(no_scaling(1)));
    };
    const Network network = make(first, last);
    CHECK(network.layer(0).shares == first.shares);
    CHECK(network.layer(1).shares.empty());
    const std::vector<float> x{-1.0F, -3.0F};  // the sum in each neuron is -2; relu with share 1 / 4 gives 3 / 4 of it
    float found = 0.0F;
    REQUIRE(network.predict(x.data(), 1, 1, kernels(""), &found));
    CHECK(found == -4.5F);
    LayerWeights wrong = first;
    wrong.shares.pop_back();
    CHECK_THROWS_AS(make(wrong, last), std::invalid_argument);
    LayerWeights too_many = last;
    too_many.shares.assign(1, 1.0F);
    CHECK_THROWS_AS(make(first, too_many), std::invalid_argument);
}
