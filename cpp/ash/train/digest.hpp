// digest.hpp: a 64-bit hash of the bits of many floats, not to be confused with Python's Result.digest. It shows
// whether two networks have the same weights, or whether two rows of a table have the same values.
//
//     x0 x1 | x2 x3 | x4 x5 | x6 x7      a stripe: eight floats, two per word (the first in the low half)
//      lane0   lane1   lane2   lane3     each lane := rotate(lane + word * P2, 31) * P1
//
// Source:     XXH64 by Yann Collet with seed 0, applied to the floats' bytes in little-endian order. P1 and P2 are
//             constants of XXH64. In Python, xxhash.xxh64(a.tobytes()) gives the same digest. Words are built from
//             numeric values, not from bytes in memory, so a big-endian machine gets the same digest.
// Invariants: (1) equal bits have an equal digest on any machine. For floats, 0.0 and -0.0 have different digests, and
//                 so do two NaNs with different bits. Doubles are treated differently (see below);
//             (2) for a state the whole arena is hashed: all parameters and the padding. On every instruction set,
//                 padding is +0.0 before and after any update, and its position depends only on shapes (layout.hpp);
//             (3) it is not a cryptographic hash: two networks with the same digest can be constructed.
// Threads:    a pure function.
// Cost:       about 15 GB/s from the caches. Floats are hashed by integer arithmetic alone.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace ash {

std::uint64_t digest(std::span<const float> values);

// Computes the digest of floats that arrive in parts, each of whole stripes. The digest equals that of the same floats
// passed in one piece.
class DigestOfParts {
  public:
    // REQUIRES: the number of floats is a multiple of eight.
    void add(std::span<const float> values);
    std::uint64_t digest() const;

  private:
    std::array<std::uint64_t, 4> lanes_ = first_lanes();
    std::uint64_t bytes_ = 0;

    static std::array<std::uint64_t, 4> first_lanes();
};

// Returns the digest of doubles, each hashed as one word. All NaNs are hashed as one value, and -0.0 is hashed as 0.0,
// so rows with the same meaning have the same digest.
std::uint64_t digest(std::span<const double> values);

}  // namespace ash
