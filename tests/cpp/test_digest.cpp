// Tests the digest of weights: known results of the Python package xxhash, and the effect of any change.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "ash/train/digest.hpp"
#include "ash/train/trainer.hpp"
#include "training_data.hpp"

using namespace ash;

namespace {

// Returns the numbers that are hashed. The known results are those of the Python expression
// xxhash.xxh64(b"".join(struct.pack("<f", 0.5 * i - 3) for i in range(count))).
std::vector<float> ramp(int count) {
    std::vector<float> values;
    for (int i = 0; i < count; ++i) values.push_back(0.5F * static_cast<float>(i) - 3.0F);
    return values;
}

void flip(float& value, int bit) {
    value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) ^ std::uint32_t{1} << bit);
}

}  // namespace

TEST_CASE("digests equal known results, with and without floats after the last whole stripe") {
    const std::initializer_list<std::pair<int, std::uint64_t>> known{
        {0, 0xef46db3751d8e999U},  {1, 0x477a7e4f0e7690ddU},   {2, 0x909ae08e5f809693U},
        {7, 0x5c7443f8463ac947U},  {8, 0xc91c2a4007dc13d0U},   {9, 0x1e54ca1d41e5e76aU},
        {16, 0x289cb677b502f180U}, {100, 0x6e7d55a85e8bcba5U}, {1000, 0xeedf4b05308ac55fU}};
    for (const auto& [count, answer] : known) {
        CAPTURE(count);
        CHECK(digest(ramp(count)) == answer);
    }
    CHECK(digest(std::vector{0.0F}) == 0x3aefa6fd5cf2deb4U);
    CHECK(digest(std::vector{-0.0F}) == 0x822e51211bf08373U);
}

TEST_CASE("floats added in parts have the digest of all floats added at once") {
    const std::vector<float> all = ramp(1000);
    CHECK(DigestOfParts().digest() == digest(std::span<const float>()));
    for (const std::size_t part : {8U, 24U, 400U, 1000U}) {
        DigestOfParts parts;
        for (std::size_t at = 0; at < all.size(); at += part)
            parts.add(std::span(all).subspan(at, std::min(part, all.size() - at)));
        CHECK(parts.digest() == digest(all));
    }
}

TEST_CASE("doubles have the digest of their bytes, and equal values have one digest") {
    const std::initializer_list<std::pair<int, std::uint64_t>> known{
        {0, 0xef46db3751d8e999U}, {1, 0xbbde15fd6352af20U}, {3, 0x51255a26eb34a4cfU},  {4, 0xe1af0e81d2787e4eU},
        {5, 0xe58cc10a30cc3828U}, {8, 0x88107a7bf7a99a2bU}, {100, 0x8e9dbfdfb7fc2a53U}};
    for (const auto& [count, answer] : known) {
        std::vector<double> values;
        for (int i = 0; i < count; ++i) values.push_back(0.5 * i - 3.0);
        CHECK(digest(values) == answer);
    }
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(digest(std::vector{0.0, nan, 1.0}) == digest(std::vector{-0.0, -nan, 1.0}));
    CHECK(digest(std::vector{0.0, nan}) != digest(std::vector{nan, 0.0}));
}

TEST_CASE("each flipped bit changes the digest, and no two flips give the same digest") {
    for (const int count : {1, 2, 7, 8, 48, 83}) {
        std::vector<float> values = ramp(count);
        std::set<std::uint64_t> seen{digest(values)};
        for (float& value : values) {
            for (int bit = 0; bit < 32; ++bit) {
                flip(value, bit);
                CHECK(seen.insert(digest(values)).second);
                flip(value, bit);
            }
        }
        CHECK(digest(values) == *seen.find(digest(ramp(count))));
    }
}

TEST_CASE("the digest depends on order and length") {
    std::vector<float> values = ramp(64);
    const std::uint64_t before = digest(values);
    std::swap(values[3], values[11]);  // values in the same lane of two stripes
    CHECK(digest(values) != before);
    CHECK(digest(std::vector<float>(16)) != digest(std::vector<float>(32)));
}

// All memory of the weights may be hashed with its padding, if this padding is zero for every vector width.
TEST_CASE("padding of trained weights is positive zero on every instruction set") {
    const Data data = testing::make_data(120, 5, 3);
    for (const Kernels* kernels : available_kernels()) {
        for (const Optimizer optimizer : {Optimizer::sgd, Optimizer::momentum, Optimizer::nesterov, Optimizer::adam}) {
            Settings settings = testing::settings_of(optimizer, 16);
            settings.activations = {Activation::sigmoid, Activation::gelu};
            settings.weight_decay = 0.1;
            Workspace workspace(data, {&settings, 1});
            State state = initial_state({5, 3}, settings, 1, 0);
            train(data, settings, {.epochs = 3, .seed = 1, .candidate = 0}, *kernels, state, workspace);
            for (const Layer& layer : state.layout.layers()) {
                for (int row = 0; row <= layer.inputs; ++row) {
                    const float* first = state.weights.data() + layer.offset + row * layer.stride;
                    CHECK(std::all_of(first + layer.outputs, first + layer.stride,
                                      [](float value) { return std::bit_cast<std::uint32_t>(value) == 0; }));
                }
            }
        }
    }
}
