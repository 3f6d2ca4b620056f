// random.hpp: counter-based random numbers. Each draw is a function of a seed and a counter, not of earlier draws.
//
// The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011),
// keyed by the seed. Its counter is (index, candidate, time, purpose and layer). So shuffles, dropout masks and initial
// weights do not depend on threads or on the epoch at which a job was resumed.
// Threads: pure functions. Cost: 10 Philox rounds for 4 words. A shuffle takes one Philox draw, then one
// SplitMix64 number per row.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace ash {

enum class Purpose : std::uint32_t {
    initialization = 1,
    shuffle = 2,
    dropout = 3,
    embedding = 4,
    sample = 5,
};

// These fields and the seed together identify a sequence of draws.
struct Stream {
    std::uint32_t candidate;
    Purpose purpose;
    std::uint32_t layer;  // layer, or parameter row of an embedding; below 2^24, as check(Settings) ensures
    std::uint32_t time;   // number of the shuffled pass or of the update (dropout), modulo 2^32; 0 for initial weights
};

using Words = std::array<std::uint32_t, 4>;

// Returns the four random words of a counter and a key, by Philox4x32-10. Tested with the published test vectors.
Words philox(const Words& counter, std::uint64_t key);

// Returns the four words at `index` of the stream.
Words draw(std::uint64_t seed, const Stream& stream, std::uint32_t index);

// Converts a random word to a uniform number in [0, 1) with 24 random bits.
inline float unit_float(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1.0p-24F; }

// rows := a random permutation of 0 .. size-1 (Fisher-Yates). Throws std::invalid_argument for 2^32 rows or more.
void shuffle(std::uint64_t seed, const Stream& stream, std::span<std::uint32_t> rows);

}  // namespace ash
