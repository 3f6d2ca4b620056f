// digest.hpp: a 64-bit hash of the bits of many floats (not Result.digest). It tells whether two networks have the same
// weights, or two rows of a table the same values.
//
//     x0 x1 | x2 x3 | x4 x5 | x6 x7      a stripe: eight floats, two per word (the first in the low half)
//      lane0   lane1   lane2   lane3     each lane := rotate(lane + word * P2, 31) * P1
//
// Source:     XXH64 by Yann Collet, seed 0, of the floats' bytes in little-endian order; xxhash.xxh64(a.tobytes()) in
//             Python. Words are made of numbers, so a big-endian machine has the same digest.
// Invariants: (1) equal bits have an equal digest, on any machine; 0.0 and -0.0 differ, and so do two NaNs of other
//                 bits;
//             (2) of a state the whole arena is hashed: weights, biases and padding. Padding is +0.0 on every
//                 instruction set, before and after any update, and where it lies depends on shapes alone (layout.hpp);
//             (3) it is not a cryptographic hash: two networks with the same digest can be constructed.
// Threads:    a pure function.
// Cost:       about 15 GB/s, from the caches; it uses integers only.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace ash {

std::uint64_t digest(std::span<const float> values);

// The digest of floats that arrive in parts, each a whole number of stripes. It equals the digest of all at once.
class DigestOfParts {
  public:
    // REQUIRES: a multiple of eight floats.
    void add(std::span<const float> values);
    std::uint64_t digest() const;

  private:
    std::array<std::uint64_t, 4> lanes_ = first_lanes();
    std::uint64_t bytes_ = 0;

    static std::array<std::uint64_t, 4> first_lanes();
};

// Of doubles, eight bytes a word. All NaNs count as one, and -0.0 as 0.0: rows that mean the same have one digest.
std::uint64_t digest(std::span<const double> values);

}  // namespace ash
