#include "ash/data/random.hpp"

#include <limits>
#include <numeric>
#include <utility>

#include "ash/data/require.hpp"

namespace ash {
namespace {

struct SplitMix64 {  // Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014
    std::uint64_t state;

    std::uint64_t next() {
        std::uint64_t word = state += 0x9E3779B97F4A7C15U;
        word = (word ^ (word >> 30U)) * 0xBF58476D1CE4E5B9U;
        word = (word ^ (word >> 27U)) * 0x94D049BB133111EBU;
        return word ^ (word >> 31U);
    }

    // Returns a number in [0, bound) by multiply and shift. Its bias, bound / 2^32, is too small to be noticeable in a
    // shuffle.
    std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(((next() >> 32U) * bound) >> 32U); }
};

}  // namespace

Words philox(const Words& counter, std::uint64_t key) {
    Words c = counter;
    auto low = static_cast<std::uint32_t>(key);
    auto high = static_cast<std::uint32_t>(key >> 32U);
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t first = std::uint64_t{0xD2511F53U} * c[0];
        const std::uint64_t second = std::uint64_t{0xCD9E8D57U} * c[2];
        c = {static_cast<std::uint32_t>(second >> 32U) ^ c[1] ^ low, static_cast<std::uint32_t>(second),
             static_cast<std::uint32_t>(first >> 32U) ^ c[3] ^ high, static_cast<std::uint32_t>(first)};
        low += 0x9E3779B9U;
        high += 0xBB67AE85U;
    }
    return c;
}

Words draw(std::uint64_t seed, const Stream& stream, std::uint32_t index) {
    const auto purpose = static_cast<std::uint32_t>(stream.purpose);
    return philox({index, stream.candidate, stream.time, purpose << 24U | stream.layer}, seed);
}

void shuffle(std::uint64_t seed, const Stream& stream, std::span<std::uint32_t> rows) {
    require(rows.size() <= std::numeric_limits<std::uint32_t>::max(), "shuffle: more rows than 32 bits can number");
    const Words words = draw(seed, stream, 0);
    SplitMix64 generator{std::uint64_t{words[0]} << 32U | words[1]};
    std::iota(rows.begin(), rows.end(), 0U);
    for (auto left = static_cast<std::uint32_t>(rows.size()); left > 1; --left) {
        std::swap(rows[left - 1], rows[generator.below(left)]);
    }
}

}  // namespace ash
