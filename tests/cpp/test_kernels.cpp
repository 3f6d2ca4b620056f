// Compares passes and updates with their naive twins, for all sizes from 1 to 70 and every instruction set of this
// processor.
//
// With fma, updates must be equal to the last bit. Results that involve exp or log are compared within a bound.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernel_help.hpp"

using namespace ash;
using namespace ash::testing;

TEST_CASE("activations and their slopes equal their definition") {
    for (const Kernels* kernels : tested_kernels()) {
        CAPTURE(std::string(kernels->name));
        for (int size = 1; size <= kLargest; ++size) {
            for (const Activation activation : kActivations) {
                const Block block = block_of(kLargest + 1 - size, size);
                AlignedFloats fast = random_block(block, 5);
                for (std::int64_t i = 0; i < fast.size(); ++i) fast.data()[i] *= 6.0F;
                AlignedFloats slow = fast;
                AlignedFloats fast_slope(fast.size());
                AlignedFloats slow_slope(fast.size());
                kernels->activate(activation, fast.data(), fast_slope.data(), block);
                kReference.activate(activation, slow.data(), slow_slope.data(), block);
                CHECK(distance(fast, slow, block) <= 2e-6);
                CHECK(distance(fast_slope, slow_slope, block) <= 2e-6);
            }
        }
    }
}

TEST_CASE("activations have the right values at zero, far from it and at NaN") {
    for (const Kernels* kernels : tested_kernels()) {
        for (const Activation activation : kActivations) {
            AlignedFloats y(16);
            AlignedFloats slope(16);
            const std::vector<float> far{0.0F, NAN, -60.0F, -86.9F, -87.1F, -1e4F, 30.0F, 88.0F, 90.0F, 1e4F};
            std::copy(far.begin(), far.end(), y.data());
            AlignedFloats slow = y;
            AlignedFloats slow_slope(16);
            kernels->activate(activation, y.data(), slope.data(), {1, 10, 16});
            kReference.activate(activation, slow.data(), slow_slope.data(), {1, 10, 16});
            CHECK(y.data()[0] == (activation == Activation::sigmoid ? 0.5F : 0.0F));
            CHECK(std::isnan(y.data()[1]));
            for (int i = 2; i < 10; ++i) {
                CHECK(y.data()[i] == doctest::Approx(slow.data()[i]).epsilon(1e-6));
                CHECK(slope.data()[i] == doctest::Approx(slow_slope.data()[i]).epsilon(1e-6));
            }
        }
    }
}

TEST_CASE("dropout keeps the requested share of elements, and the same elements on every instruction set") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int size = 1; size <= kLargest; ++size) {
            const Block block = block_of(kLargest, size);
            AlignedFloats fast = random_block(block, 6);
            AlignedFloats slow = fast;
            AlignedFloats fast_slope = fast;
            AlignedFloats slow_slope = fast;
            const Dropout dropout{
                .key = 12345U + static_cast<std::uint32_t>(size), .first = 77, .threshold = 0x60000000U, .scale = 1.6F};
            kernels->drop(fast.data(), fast_slope.data(), nullptr, block, dropout);
            kReference.drop(slow.data(), slow_slope.data(), nullptr, block, dropout);
            CHECK(distance(fast, slow, block) == 0.0);
            CHECK(distance(fast_slope, slow_slope, block) == 0.0);
        }
        const Block block{1000, 64, 64};
        AlignedFloats y(block.rows * block.stride);
        AlignedFloats slope(block.rows * block.stride);
        std::fill_n(y.data(), y.size(), 1.0F);
        kernels->drop(y.data(), slope.data(), nullptr, block,
                      {.key = 9, .first = 0, .threshold = 0x40000000U, .scale = 1.0F});
        const auto kept = static_cast<double>(std::count(y.data(), y.data() + y.size(), 1.0F));
        CHECK(kept / static_cast<double>(y.size()) == doctest::Approx(0.75).epsilon(0.01));
    }
}

TEST_CASE("softmax, its loss and its delta equal their definition") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int classes = 2; classes <= kLargest; ++classes) {
            for (const float smoothing : {0.0F, 0.1F}) {
                const Block block = block_of(1 + (classes * 29) % 130, classes);
                AlignedFloats fast = random_block(block, 7);
                for (std::int64_t i = 0; i < fast.size(); ++i) fast.data()[i] *= 20.0F;
                AlignedFloats slow = fast;
                AlignedFloats fast_losses(padded(block.rows));
                AlignedFloats slow_losses(padded(block.rows));
                std::vector<std::int32_t> labels;
                for (int row = 0; row < block.rows; ++row) labels.push_back((row * 7) % classes);
                kernels->softmax(fast.data(), labels.data(), smoothing, fast_losses.data(), block);
                kReference.softmax(slow.data(), labels.data(), smoothing, slow_losses.data(), block);
                CHECK(distance(fast, slow, block) <= 1e-6);
                CHECK(distance(fast_losses, slow_losses, {1, block.rows, padded(block.rows)}) <= 2e-5);
                kernels->softmax_delta(fast.data(), labels.data(), smoothing, 0.25F, block);
                kReference.softmax_delta(slow.data(), labels.data(), smoothing, 0.25F, block);
                CHECK(distance(fast, slow, block) <= 1e-6);
                CHECK(kReference.finite(fast.data(), fast.size()));
            }
        }
    }
}

TEST_CASE("padding of a delta is zero") {
    for (const Kernels* kernels : tested_kernels()) {
        AlignedFloats row(16);
        AlignedFloats losses(16);
        const std::int32_t label = 1;
        kernels->softmax(row.data(), &label, 0.1F, losses.data(), {1, 3, 16});
        kernels->softmax_delta(row.data(), &label, 0.1F, 1.0F, {1, 3, 16});
        for (int i = 3; i < 16; ++i) CHECK(row.data()[i] == 0.0F);
    }
}

TEST_CASE("squared errors equal their twin") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int size = 1; size <= kLargest; ++size) {
            const Block block = block_of(17, size);
            AlignedFloats fast = random_block(block, 8);
            AlignedFloats slow = fast;
            const AlignedFloats targets = random_block(block, 9);
            AlignedFloats fast_losses(32);
            AlignedFloats slow_losses(32);
            kernels->squared_error(fast.data(), targets.data(), 0.5F, fast_losses.data(), block);
            kReference.squared_error(slow.data(), targets.data(), 0.5F, slow_losses.data(), block);
            CHECK(distance(fast, slow, block) == 0.0);
            CHECK(distance(fast_losses, slow_losses, {1, 17, 32}) == 0.0);
        }
    }
}

TEST_CASE("pinball losses equal their twin") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int size = 1; size <= kLargest; ++size) {
            const Block block = block_of(17, size);
            AlignedFloats fast = random_block(block, 8);
            AlignedFloats slow = fast;
            AlignedFloats targets = random_block(block, 9);
            targets.data()[0] = fast.data()[0];
            AlignedFloats fast_losses(32);
            AlignedFloats slow_losses(32);
            kernels->pinball(fast.data(), targets.data(), 0.9F, 0.5F, fast_losses.data(), block);
            kReference.pinball(slow.data(), targets.data(), 0.9F, 0.5F, slow_losses.data(), block);
            CHECK(fast.data()[0] == -0.45F);
            CHECK(distance(fast, slow, block) == 0.0);
            CHECK(distance(fast_losses, slow_losses, {1, 17, 32}) <= 1e-6);
        }
    }
}

TEST_CASE("Poisson losses equal their twin, and the padding of their deltas is zero") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int size = 1; size <= kLargest; ++size) {
            const Block block = block_of(17, size);
            AlignedFloats fast = random_block(block, 8);
            AlignedFloats targets = random_block(block, 9);
            for (std::int64_t i = 0; i < targets.size(); ++i) targets.data()[i] = std::abs(targets.data()[i]);
            AlignedFloats slow = fast;
            AlignedFloats fast_losses(32);
            AlignedFloats slow_losses(32);
            kernels->poisson(fast.data(), targets.data(), 0.5F, fast_losses.data(), block);
            kReference.poisson(slow.data(), targets.data(), 0.5F, slow_losses.data(), block);
            CHECK(distance(fast, slow, block) <= 1e-5);
            CHECK(distance(fast_losses, slow_losses, {1, 17, 32}) <= 1e-4);
            for (std::int64_t r = 0; r < block.rows; ++r) {
                for (std::int64_t c = block.columns; c < block.stride; ++c) {
                    CHECK(fast.data()[r * block.stride + c] == 0.0F);
                }
            }
        }
    }
}

TEST_CASE("updates of weights and moments equal their twin") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int size = 1; size <= kLargest; ++size) {
            for (const Optimizer optimizer :
                 {Optimizer::sgd, Optimizer::momentum, Optimizer::nesterov, Optimizer::adam, Optimizer::adamw}) {
                const Block block = block_of(5, size);
                const Update update{optimizer, 0.1F, 0.9F, 0.8F, 0.95F, 1e-8F, 0.01F, 0.99F, 1.5F, 1.25F};
                std::vector<AlignedFloats> fast;
                for (std::uint64_t seed = 10; seed < 13; ++seed) fast.push_back(random_block(block, seed));
                for (std::int64_t i = 0; i < fast[2].size(); ++i) fast[2].data()[i] = std::abs(fast[2].data()[i]);
                std::vector<AlignedFloats> slow = fast;
                const AlignedFloats gradient = random_block(block, 13);
                kernels->update(update, {fast[0].data(), gradient.data(), fast[1].data(), fast[2].data(), block});
                kReference.update(update, {slow[0].data(), gradient.data(), slow[1].data(), slow[2].data(), block});
                for (int i = 0; i < 3; ++i) {
                    const auto which = static_cast<std::size_t>(i);
                    CHECK(distance(fast[which], slow[which], block) <= tolerance(*kernels, 10));
                }
                CHECK(kernels->finite(fast[0].data(), fast[0].size()));  // including the padding
            }
        }
    }
}

TEST_CASE("a transposition equals its twin") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int rows = 1; rows <= kLargest; ++rows) {
            for (int columns = 1; columns <= kLargest; ++columns) {
                const AlignedFloats from = random_block(block_of(rows, columns), 14);
                AlignedFloats fast(columns * padded(rows));
                AlignedFloats slow(columns * padded(rows));
                kernels->transpose(from.data(), block_of(rows, columns), fast.data(), padded(rows));
                kReference.transpose(from.data(), block_of(rows, columns), slow.data(), padded(rows));
                if (distance(fast, slow, block_of(columns, rows)) != 0.0) FAIL_CHECK(rows, "x", columns);
            }
        }
    }
}

TEST_CASE("gathering copies whole rows in the requested order") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int columns = 1; columns <= kLargest; ++columns) {
            const Block block = block_of(9, columns);
            const AlignedFloats from = random_block(block, 15);
            const std::vector<std::uint32_t> numbers{8, 0, 3, 3, 5};
            AlignedFloats fast(5 * block.stride);
            AlignedFloats slow(5 * block.stride);
            kernels->gather(from.data(), block.stride, numbers.data(), 5, fast.data());
            kReference.gather(from.data(), block.stride, numbers.data(), 5, slow.data());
            CHECK(std::equal(fast.data(), fast.data() + fast.size(), slow.data()));
            CHECK(slow.data()[block.stride] == from.data()[0]);
        }
    }
}

TEST_CASE("rows are standardized as defined, to the last bit") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int size = 1; size <= kLargest; ++size) {
            std::vector<double> from;
            std::vector<double> center;
            std::vector<double> inverse;
            std::vector<double> limit;
            for (int i = 0; i < size; ++i) {
                from.push_back(i % 7 == 3 ? NAN : (i % 2 == 0 ? 1.0 : -1.0) * std::exp(0.9 * i) - 3.0);
                center.push_back(0.1 * i);
                inverse.push_back(i % 23 == 22 ? 1e307 : 1.0 / (1.0 + 0.3 * i));
                limit.push_back(i % 3 == 1 ? 0.0 : kClip);
            }
            const std::vector<float> floats(from.begin(), from.end());
            const Standardization scaling{center.data(), inverse.data(), limit.data(), size};
            std::vector<float> fast(from.size(), 7.0F);
            std::vector<float> slow(from.size(), 8.0F);
            CHECK(kernels->standardize(from.data(), scaling, fast.data()));
            CHECK(kReference.standardize(from.data(), scaling, slow.data()));
            CHECK(fast == slow);
            CHECK(kernels->standardize_floats(floats.data(), scaling, fast.data()));
            CHECK(kReference.standardize_floats(floats.data(), scaling, slow.data()));
            CHECK(fast == slow);
            for (const double bad : {double{INFINITY}, -double{INFINITY}, 3.5e38, -3.5e38}) {
                std::vector<double> beyond = from;
                beyond[beyond.size() / 2] = bad;
                CHECK_FALSE(kernels->standardize(beyond.data(), scaling, fast.data()));
                CHECK_FALSE(kReference.standardize(beyond.data(), scaling, fast.data()));
            }
        }
    }
}

TEST_CASE("a clip equals its formula within rounding and never exceeds 3, and columns without a clip are unchanged") {
    for (const Kernels* kernels : tested_kernels()) {
        for (double x = 1e-40; x < 3e38; x *= 1.7) {
            const std::vector<double> from{x, -x, x, -x, x, -x};
            const std::vector<double> center{0.0, 0.0, 0.0, 0.0, 0.5, 0.5};
            const std::vector<double> inverse{1.0, 1.0, 1e300, 1e300, 1.0, 1.0};
            const std::vector<double> limit{kClip, kClip, kClip, kClip, 0.0, 0.0};
            std::vector<float> z(6);
            CHECK(kernels->standardize(from.data(), {center.data(), inverse.data(), limit.data(), 6}, z.data()));
            const double expected = x < 1e100 ? x / std::sqrt(1.0 + x * x / 9.0) : 3.0;
            CHECK(std::abs(z[0] - expected) <= 3e-7 * expected + 1e-44);
            CHECK(z[2] == 3.0F);
            for (int i = 0; i < 4; ++i) CHECK(std::abs(z[static_cast<std::size_t>(i)]) <= 3.0F);
            CHECK(z[1] == -z[0]);
            CHECK(z[3] == -3.0F);
            CHECK(z[4] == static_cast<float>(x - 0.5));
            CHECK(z[5] == static_cast<float>(-x - 0.5));
        }
    }
}

TEST_CASE("a value that is not finite is found at any position") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int place = 0; place < 80; ++place) {
            AlignedFloats values(80);
            std::fill_n(values.data(), values.size(), 3e38F);
            CHECK(kernels->finite(values.data(), values.size()));
            values.data()[place] = place % 2 == 0 ? NAN : -INFINITY;
            CHECK_FALSE(kernels->finite(values.data(), values.size()));
        }
    }
}

TEST_CASE("an unknown instruction set is refused by name") {
    CHECK(std::string(kernels("").name) == available_kernels().front()->name);
    CHECK_THROWS_WITH_AS(kernels("x86-64-v9"), doctest::Contains("x86-64-v9"), std::invalid_argument);
}
