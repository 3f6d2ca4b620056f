// shape.hpp: the shape of a table as a network sees it, and how wide a row of floats is in memory.
#pragma once

#include <cstdint>

#include "ash/data/aligned.hpp"

namespace ash {

// What a network is made for.
struct Shape {
    int features;
    int outputs;
    int numbers = 0;  // those of the features that an embedding takes
};

// Floats per row of so many columns: whole cache lines, and from 128 columns on an odd number of them. Rows at a
// power-of-two distance would all fall into the same few sets of the first cache (4 KiB apart: 8 lines in all).
inline std::int64_t padded(std::int64_t columns) {
    const std::int64_t lines = (columns + kLineFloats - 1) / kLineFloats;
    const bool even_and_wide = columns >= 128 && lines % 2 == 0;
    return (even_and_wide ? lines + 1 : lines) * kLineFloats;
}

}  // namespace ash
