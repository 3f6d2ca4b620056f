// Tests the random generator by its published results, and shuffles: their rows, their uniformity and their limit.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

#include "ash/data/random.hpp"

using namespace ash;

TEST_CASE("philox gives its published results") {  // Random123, kat_vectors: philox4x32 10
    CHECK(philox({0, 0, 0, 0}, 0) == Words{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U});
    CHECK(philox({~0U, ~0U, ~0U, ~0U}, ~std::uint64_t{0}) == Words{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU});
    CHECK(philox({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}, 0x299f31d0a4093822U) ==
          Words{0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U});
}

TEST_CASE("a shuffle contains every row once and depends only on its counter") {
    std::vector<std::uint32_t> first(1000);
    std::vector<std::uint32_t> again(1000);
    std::vector<std::uint32_t> other(1000);
    shuffle(7, {3, Purpose::shuffle, 0, 5}, first);
    shuffle(7, {3, Purpose::shuffle, 0, 5}, again);
    shuffle(7, {3, Purpose::shuffle, 0, 6}, other);
    CHECK(first == again);
    CHECK(first != other);
    std::sort(first.begin(), first.end());
    std::vector<std::uint32_t> all(1000);
    std::iota(all.begin(), all.end(), 0U);
    CHECK(first == all);
}

TEST_CASE("each row takes each position of a shuffle about equally often") {
    constexpr int kRows = 8;
    constexpr int kDraws = 8000;
    std::vector<int> counts(kRows * kRows);
    for (std::uint32_t draw = 0; draw < kDraws; ++draw) {
        std::vector<std::uint32_t> rows(kRows);
        shuffle(1, {0, Purpose::shuffle, 0, draw}, rows);
        for (std::size_t place = 0; place < kRows; ++place) ++counts[place * kRows + rows[place]];
    }
    double chi_square = 0.0;
    for (const int count : counts) chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0;
    CHECK(chi_square < 85.4);  // 49 degrees of freedom: exceeded with a probability of 0.001
}

TEST_CASE("more rows than 32 bits can number are not shuffled") {
    std::uint32_t none = 0;
    const std::span<std::uint32_t> rows(&none, (std::size_t{1} << 32) + 1);
    CHECK_THROWS_AS(shuffle(1, {0, Purpose::shuffle, 0, 0}, rows), std::invalid_argument);
}
