// Compares the periodic embedding and the input factors with naive twins, on every instruction set. Checks values,
// gradients, and the errors of cosine and sine. Also checks that memory outside the embedding neither affects the
// results nor is written.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "ash/kernels/embedding.hpp"
#include "kernel_help.hpp"

using namespace ash;
using namespace ash::testing;
using namespace ash::embedding;

namespace {

constexpr std::initializer_list<std::int64_t> kNumbers{1, 3, 8, 15, 16, 17, 33, 100};
constexpr std::int64_t kMostRows = 130;
constexpr float kUntouched = 7.0F;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kPi = 3.14159265358979323846;

// An embedding of `count` numbers in kMostRows rows, and the deltas of the embedded values. As in a network, embedded
// values and deltas are stored in each row after the features, and are followed by memory of other parts.
struct Given {
    std::int64_t numbers;
    std::int64_t front;   // number of features, which exceeds the number of embedded numbers
    std::int64_t stride;  // stride of the inputs of layer 0
    Block block;
    AlignedFloats parameters;
    AlignedFloats x;
    AlignedFloats deltas;

    explicit Given(std::int64_t count)
        : numbers(count),
          front(count + 2),
          stride(padded(front + kDimensions * count)),
          block(block_of(kMostRows, count)),
          parameters(random_block(block_of(kRows, count), 21)),
          x(random_block(block, 22)),
          deltas(kMostRows * stride + kLineFloats) {
        for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] *= 3.0F;
        std::fill_n(deltas.data(), deltas.size(), kNan);
        const AlignedFloats values = random_block(block_of(kMostRows, kDimensions * count), 23);
        for (std::int64_t row = 0; row < kMostRows; ++row) {
            std::copy_n(values.data() + row * padded(kDimensions * count), kDimensions * count,
                        deltas.data() + row * stride + front);
        }
    }

    Periodic periodic() const { return {parameters.data(), padded(numbers), numbers}; }

    // Returns rows [rows][stride] after the embedding has written its values; all other values are unchanged.
    AlignedFloats embedded(const Kernels& kernels, std::int64_t rows) const {
        AlignedFloats to(kMostRows * stride);
        std::fill_n(to.data(), to.size(), kUntouched);
        kernels.embed(periodic(), x.data(), rows, to.data() + front, stride);
        return to;
    }

    // Returns the gradient [kRows][padded numbers], computed in blocks of 16 numbers that initially contain NaN.
    AlignedFloats gradient(const Kernels& kernels, std::int64_t rows) const {
        AlignedFloats all(kRows * block.stride);
        AlignedFloats some(kRows * kColumns);
        for (std::int64_t first = 0; first < numbers; first += kColumns) {
            std::fill_n(some.data(), some.size(), kNan);
            kernels.embed_gradient(periodic(), first, x.data(), deltas.data() + front, stride, rows, some.data());
            for (int row = 0; row < kRows; ++row)
                std::copy_n(some.data() + row * kColumns, kColumns, all.data() + row * block.stride + first);
        }
        return all;
    }
};

// Returns the row counts to test for an embedding of `numbers` numbers. For 3 and 17 numbers these are all counts up
// to kMostRows, since so few numbers are cheap. Otherwise they are a selection.
std::vector<std::int64_t> some_rows(std::int64_t numbers) {
    if (numbers != 3 && numbers != 17) return {1, 2, 7, 16, 17, 64, 65, 129, kMostRows};
    std::vector<std::int64_t> all(kMostRows);
    std::iota(all.begin(), all.end(), 1);
    return all;
}

bool is_positive_zero(float value) { return std::bit_cast<std::uint32_t>(value) == 0; }

bool same_bits(const AlignedFloats& a, const AlignedFloats& b) {
    return std::equal(a.data(), a.data() + a.size(), b.data(), b.data() + b.size(), [](float one, float other) {
        return std::bit_cast<std::uint32_t>(one) == std::bit_cast<std::uint32_t>(other);
    });
}

std::vector<const Kernels*> tested_with_fma() {
    std::vector<const Kernels*> tables = tested_kernels();
    std::erase_if(tables, [](const Kernels* kernels) { return !kernels->fma; });
    return tables;
}

// Computes, for each u, cos(2 pi u) by an embedding and sin(2 pi u) by the gradient of its phase. With frequency 1 and
// phase 0, u itself is the argument, without rounding.
struct Waves {
    std::vector<double> cosines;
    std::vector<double> sines;
};

Waves waves(const Kernels& kernels, const std::vector<float>& turns) {
    constexpr std::int64_t kWidth = 16;
    AlignedFloats parameters(kRows * kWidth);
    std::fill_n(parameters.data(), kWidth, 1.0F);
    std::fill_n(parameters.data() + kMixes * kWidth, kWidth, 1.0F);
    const Periodic periodic{parameters.data(), kWidth, kWidth};
    AlignedFloats x(kWidth);
    AlignedFloats values(kDimensions * kWidth);
    AlignedFloats deltas(kDimensions * kWidth);
    std::fill_n(deltas.data(), kWidth, 1.0F);
    AlignedFloats gradient(kRows * kColumns);
    Waves found;
    for (std::size_t first = 0; first < turns.size(); first += kWidth) {
        std::copy_n(turns.data() + first, kWidth, x.data());
        kernels.embed(periodic, x.data(), 1, values.data(), kDimensions * kWidth);
        kernels.embed_gradient(periodic, 0, x.data(), deltas.data(), kDimensions * kWidth, 1, gradient.data());
        for (std::int64_t i = 0; i < kWidth; ++i) {
            found.cosines.push_back(values.data()[i]);
            found.sines.push_back(gradient.data()[kPhases * kColumns + i] / (-2.0 * kPi));
        }
    }
    return found;
}

// Returns a grid from -1.5 to 1.5 turns, and then arguments up to 2^22, just below which adjacent floats are half a
// turn apart.
std::vector<float> arguments() {
    std::vector<float> turns;
    constexpr int kPoints = 1 << 16;
    for (int i = -kPoints; i < kPoints; ++i) turns.push_back(1.5F * static_cast<float>(i) / kPoints);
    for (std::uint32_t i = 0; i < kPoints; ++i) {
        const float size = std::ldexp(unit_float(philox({i, 0, 0, 0}, 31)[0]), static_cast<int>(i % 23));
        turns.push_back(i % 2 == 0 ? size : -size);
    }
    return turns;
}

}  // namespace

TEST_CASE("cosine and sine have the error bounds of periodic.hpp") {
    const std::vector<float> turns = arguments();
    for (const Kernels* kernels : tested_kernels()) {
        CAPTURE(std::string(kernels->name));
        const Waves found = waves(*kernels, turns);
        double of_cosine = 0.0;
        double of_sine = 0.0;
        for (std::size_t i = 0; i < turns.size(); ++i) {
            const double angle = 2.0 * kPi * (turns[i] - std::nearbyint(turns[i]));
            of_cosine = std::max(of_cosine, std::abs(found.cosines[i] - std::cos(angle)));
            of_sine = std::max(of_sine, std::abs(found.sines[i] - std::sin(angle)));
        }
        CHECK(of_cosine < (kernels->fma ? 1.6e-7 : 1.8e-7));
        CHECK(of_sine < (kernels->fma ? 2.1e-7 : 2.4e-7));
    }
}

// An embedded value is a bias plus 16 cosines, each times a factor of at most 1. So its magnitude is at most 17, it is
// rounded 16 times, and its error is at most 2e-5. The observed errors were at most a tenth of that. Without fma,
// an angle of 4 turns is rounded once more, which adds 16 * 2 pi * 2e-7.
TEST_CASE("embedded numbers equal their definition, and nothing else is written") {
    for (const std::int64_t numbers : kNumbers) {
        const Given given(numbers);
        const AlignedFloats slow = given.embedded(kReference, kMostRows);
        for (const Kernels* kernels : tested_kernels()) {
            for (const std::int64_t rows : some_rows(numbers)) {
                const AlignedFloats fast = given.embedded(*kernels, rows);
                CHECK(distance(fast, slow, {rows, given.stride, given.stride}) <= (kernels->fma ? 4e-6 : 2e-5));
                const float* beyond = fast.data() + rows * given.stride;
                CHECK(std::all_of(beyond, fast.data() + fast.size(), [](float v) { return v == kUntouched; }));
            }
        }
    }
}

TEST_CASE("gradients of an embedding equal their definition") {
    for (const std::int64_t numbers : kNumbers) {
        const Given given(numbers);
        for (const std::int64_t rows : some_rows(numbers)) {
            const AlignedFloats slow = given.gradient(kReference, rows);
            for (const Kernels* kernels : tested_kernels()) {
                const AlignedFloats fast = given.gradient(*kernels, rows);
                const double bound = (kernels->fma ? 1e-6 : 1e-5) * (10.0 + static_cast<double>(rows));
                CHECK(distance(fast, slow, block_of(kRows, numbers)) <= bound);
            }
        }
    }
}

TEST_CASE("an embedding and its gradient have the same bits on every instruction set with fma") {
    const std::vector<const Kernels*> all = tested_with_fma();
    for (const std::int64_t numbers : kNumbers) {
        const Given given(numbers);
        for (const std::int64_t rows : all.empty() ? std::vector<std::int64_t>{} : some_rows(numbers)) {
            const AlignedFloats values = given.embedded(*all.front(), rows);
            const AlignedFloats gradient = given.gradient(*all.front(), rows);
            for (const Kernels* kernels : all) {
                if (!same_bits(given.embedded(*kernels, rows), values)) FAIL_CHECK(kernels->name << " values " << rows);
                if (!same_bits(given.gradient(*kernels, rows), gradient)) FAIL_CHECK(kernels->name << " " << rows);
            }
        }
    }
}

// The deltas of the numbers are followed by other deltas, and the last deltas are followed by NaN.
TEST_CASE("the gradient of padding is positive zero, whatever is stored behind the deltas") {
    for (const std::int64_t numbers : kNumbers) {
        const Given given(numbers);
        for (const Kernels* kernels : tested_kernels()) {
            const AlignedFloats gradient = given.gradient(*kernels, kMostRows);
            for (int row = 0; row < kRows; ++row) {
                const float* last = gradient.data() + row * given.block.stride + numbers;
                const std::int64_t computed = (numbers + kColumns - 1) / kColumns * kColumns;
                CHECK(std::all_of(last, last + (computed - numbers), is_positive_zero));
            }
        }
    }
}

TEST_CASE("a number that is NaN or infinite affects only what is computed from it") {
    for (const float bad : {kNan, std::numeric_limits<float>::infinity()}) {
        Given given(19);
        given.x.data()[2 * given.block.stride + 17] = bad;
        for (const Kernels* kernels : tested_kernels()) {
            const AlignedFloats values = given.embedded(*kernels, 5);
            const AlignedFloats gradient = given.gradient(*kernels, 5);
            for (std::int64_t row = 0; row < 5; ++row) {
                for (std::int64_t i = 0; i < kDimensions * 19; ++i) {
                    const float value = values.data()[row * given.stride + given.front + i];
                    CHECK(std::isnan(value) == (row == 2 && i % 19 == 17));
                }
            }
            for (int row = 0; row < kRows; ++row) {
                for (std::int64_t i = 0; i < 19; ++i) {
                    const bool spoiled = i == 17 && row < kBiases;  // the gradient of a bias depends only on deltas
                    CHECK(std::isnan(gradient.data()[row * given.block.stride + i]) == spoiled);
                }
            }
        }
    }
}

TEST_CASE("huge numbers have finite cosines and gradients") {
    for (const float huge : {1e6F, 4e6F, -6e6F, 1e7F, -1e8F, 1e30F, -1e30F}) {
        Given given(17);
        std::fill_n(given.x.data(), given.x.size(), huge);
        AlignedFloats first;
        for (const Kernels* kernels : tested_kernels()) {
            const AlignedFloats values = given.embedded(*kernels, 3);
            for (std::int64_t i = 0; i < kDimensions * 17; ++i)
                CHECK(std::abs(values.data()[given.front + i]) <= 1.0F + kFrequencies);  // bias and mixes are below 1
            const AlignedFloats gradient = given.gradient(*kernels, 3);
            CHECK(kReference.finite(gradient.data(), gradient.size()));
            if (first.size() == 0 && kernels->fma) first = values;
            if (kernels->fma) CHECK(same_bits(values, first));
        }
    }
}

TEST_CASE("row factors and their gradients equal their twins, whatever the padding contains") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int columns = 1; columns <= kLargest; ++columns) {
            const Block block = block_of(1 + (columns * 7) % 64, columns);
            const AlignedFloats weights = random_block(block, 24);
            const AlignedFloats factors = random_block({1, block.rows, 64}, 25);
            AlignedFloats fast = random_block(block, 26);
            AlignedFloats slow = fast;
            const std::int64_t written = (columns + kernels->lanes - 1) / kernels->lanes * kernels->lanes;
            for (std::int64_t row = 0; row < block.rows; ++row)
                std::fill_n(fast.data() + row * block.stride + written, block.stride - written, kNan);
            AlignedFloats fast_dots(64);
            AlignedFloats slow_dots(64);
            kernels->scale_gradient(weights.data(), factors.data(), fast.data(), fast_dots.data(), block);
            kReference.scale_gradient(weights.data(), factors.data(), slow.data(), slow_dots.data(), block);
            CHECK(distance(fast, slow, block) == 0.0);
            CHECK(distance(fast_dots, slow_dots, {1, 64, 64}) <= tolerance(*kernels, columns));
            kernels->scale_rows(weights.data(), factors.data(), fast.data(), block);
            kReference.scale_rows(weights.data(), factors.data(), slow.data(), block);
            CHECK(distance(fast, slow, block) == 0.0);
        }
    }
}
