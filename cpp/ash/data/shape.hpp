// shape.hpp: the shape of a table as a network sees it, and the width of a row of floats in memory.
#pragma once

#include <cstdint>

#include "ash/data/aligned.hpp"

namespace ash {

// The maximum number of features, and of outputs, of a table. A network has up to four inputs per feature (the
// feature and three embedded values). With this limit, the number of inputs fits into an int, and the bytes of 2^32
// table rows fit into 63 bits.
inline constexpr int kMostColumns = 1 << 28;

// The numbers of columns that a network reads and predicts. `features` and `outputs` are 1 to kMostColumns.
struct Shape {
    int features;
    int outputs;
    int numbers = 0;  // number of features that can be embedded (standardized and not constant)
};

// Returns the number of floats that a row of `columns` columns takes in memory. This is a whole number of cache lines,
// and an odd number of lines for 128 or more columns. If the distance between rows were a power of two, all rows would
// share a few sets of the L1 cache (rows that are 4 KiB apart share one set of 8 lines).
inline std::int64_t padded(std::int64_t columns) {
    const std::int64_t lines = (columns + kLineFloats - 1) / kLineFloats;
    const bool even_and_wide = columns >= 128 && lines % 2 == 0;
    return (even_and_wide ? lines + 1 : lines) * kLineFloats;
}

}  // namespace ash
