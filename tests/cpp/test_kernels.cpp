// Kernels against their naive twins, for every size 1..70 and every instruction set of this processor.
//
// With fma, products and updates must be equal to the last bit; what goes through exp or log is compared within a
// bound.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ash/aligned.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/layout.hpp"
#include "ash/random.hpp"

namespace ash {
#if defined(__x86_64__)
extern const Kernels kWide;  // unit_wide.cpp
#endif
}  // namespace ash

using namespace ash;

namespace {

// The units that this processor can run, and the tiles of AVX-512 even where it cannot.
std::vector<const Kernels*> tested_kernels() {
    std::vector<const Kernels*> tables(available_kernels().begin(), available_kernels().end());
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) tables.push_back(&kWide);
#endif
    return tables;
}

constexpr int kLargest = 70;

// Numbers in [-1, 1), a function of the seed alone; columns beyond `columns` are zero.
AlignedFloats random_block(Block block, std::uint64_t seed) {
    AlignedFloats values(block.rows * block.stride);
    for (std::int64_t row = 0; row < block.rows; ++row) {
        for (std::int64_t column = 0; column < block.columns; ++column) {
            const auto index = static_cast<std::uint32_t>(row * block.columns + column);
            values.data()[row * block.stride + column] = 2.0F * unit_float(philox({index, 0, 0, 0}, seed)[0]) - 1.0F;
        }
    }
    return values;
}

Block block_of(std::int64_t rows, std::int64_t columns) { return {rows, columns, padded(columns)}; }

// Largest distance over the columns that mean something; infinite if one is NaN and the other is not.
double distance(const AlignedFloats& a, const AlignedFloats& b, Block block) {
    double largest = 0.0;
    for (std::int64_t row = 0; row < block.rows; ++row) {
        for (std::int64_t column = 0; column < block.columns; ++column) {
            const double gap = std::abs(static_cast<double>(a.data()[row * block.stride + column]) -
                                        b.data()[row * block.stride + column]);
            if (!(gap <= largest)) largest = gap;
        }
    }
    return largest;
}

// 0 with fma; without it a sum of k products differs by rounding.
double tolerance(const Kernels& kernels, double terms) { return kernels.fma ? 0.0 : (terms + 2.0) * 1.2e-7; }

double product_distance(const Kernels& kernels, int rows, int columns, int terms, Start start, bool turned) {
    const Block a_block = turned ? block_of(terms, rows) : block_of(rows, terms);
    const AlignedFloats a = random_block(a_block, 1);
    const AlignedFloats b = random_block(block_of(terms, columns), 2);
    const AlignedFloats bias = random_block(block_of(1, columns), 3);
    AlignedFloats fast = random_block(block_of(rows, columns), 4);
    AlignedFloats slow = fast;
    Product product{.a = a.data(),
                    .a_row = turned ? 1 : a_block.stride,
                    .a_column = turned ? a_block.stride : 1,
                    .b = b.data(),
                    .b_stride = padded(columns),
                    .c = fast.data(),
                    .c_stride = padded(columns),
                    .rows = rows,
                    .columns = columns,
                    .terms = terms,
                    .start = start,
                    .bias = start == Start::bias && terms % 2 == 0 ? bias.data() : nullptr};
    kernels.product(product);
    product.c = slow.data();
    kReference.product(product);
    return distance(fast, slow, block_of(rows, columns));
}

}  // namespace

TEST_CASE("products equal their naive twin in all three uses") {
    for (const Kernels* kernels : tested_kernels()) {
        CAPTURE(std::string(kernels->name));
        for (int rows = 1; rows <= kLargest; ++rows) {
            for (int columns = 1; columns <= kLargest; ++columns) {
                const int terms = 1 + (rows * 31 + columns * 17) % kLargest;
                for (const Start start : {Start::bias, Start::accumulate, Start::scale}) {
                    const double gap = product_distance(*kernels, rows, columns, terms, start, columns % 2 == 0);
                    if (!(gap <= tolerance(*kernels, terms))) FAIL_CHECK(rows, "x", columns, "x", terms, ": ", gap);
                }
            }
        }
    }
}

TEST_CASE("a product of every number of terms goes on where it was") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int terms = 1; terms <= kLargest; ++terms) {
            CHECK(product_distance(*kernels, 13, 35, terms, Start::accumulate, false) <= tolerance(*kernels, terms));
            CHECK(product_distance(*kernels, 13, 35, terms, Start::bias, true) <= tolerance(*kernels, terms));
        }
    }
}

TEST_CASE("one row of every width, as the gradient of biases is") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int columns = 1; columns <= 300; ++columns) {
            for (const Start start : {Start::bias, Start::accumulate}) {
                CHECK(product_distance(*kernels, 1, columns, 33, start, false) <= tolerance(*kernels, 33));
            }
        }
    }
}

TEST_CASE("activations and their slopes equal their definition") {
    for (const Kernels* kernels : tested_kernels()) {
        CAPTURE(std::string(kernels->name));
        for (int size = 1; size <= kLargest; ++size) {
            for (const Activation activation : {Activation::identity, Activation::relu, Activation::sigmoid,
                                                Activation::tanh, Activation::gelu, Activation::silu}) {
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

TEST_CASE("activations at zero, at infinity and at NaN") {
    for (const Kernels* kernels : tested_kernels()) {
        for (const Activation activation : {Activation::identity, Activation::relu, Activation::sigmoid,
                                            Activation::tanh, Activation::gelu, Activation::silu}) {
            AlignedFloats y(16);
            AlignedFloats slope(16);
            y.data()[1] = NAN;
            y.data()[2] = -60.0F;
            kernels->activate(activation, y.data(), slope.data(), {1, 3, 16});
            CHECK(y.data()[0] == (activation == Activation::sigmoid ? 0.5F : 0.0F));
            CHECK(std::isnan(y.data()[1]));
            CHECK(std::isfinite(y.data()[2]));
        }
    }
}

TEST_CASE("dropout keeps the same elements on every instruction set, and its share of them") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int size = 1; size <= kLargest; ++size) {
            const Block block = block_of(kLargest, size);
            AlignedFloats fast = random_block(block, 6);
            AlignedFloats slow = fast;
            AlignedFloats fast_slope = fast;
            AlignedFloats slow_slope = fast;
            const Dropout dropout{
                .key = 12345U + static_cast<std::uint32_t>(size), .first = 77, .threshold = 0x60000000U, .scale = 1.6F};
            kernels->drop(fast.data(), fast_slope.data(), block, dropout);
            kReference.drop(slow.data(), slow_slope.data(), block, dropout);
            CHECK(distance(fast, slow, block) == 0.0);
            CHECK(distance(fast_slope, slow_slope, block) == 0.0);
        }
        const Block block{1000, 64, 64};
        AlignedFloats y(block.rows * block.stride);
        AlignedFloats slope(block.rows * block.stride);
        std::fill_n(y.data(), y.size(), 1.0F);
        kernels->drop(y.data(), slope.data(), block, {.key = 9, .first = 0, .threshold = 0x40000000U, .scale = 1.0F});
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

TEST_CASE("updates equal their twin, moments included") {
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
                CHECK(kernels->finite(fast[0].data(), fast[0].size()));  // padding included
            }
        }
    }
}

TEST_CASE("transposition") {
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

TEST_CASE("gathering takes whole rows in the order asked for") {
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

TEST_CASE("whatever is not finite is found, wherever it stands") {
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
