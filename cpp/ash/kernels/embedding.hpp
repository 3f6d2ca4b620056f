// embedding.hpp: the parameters of a periodic embedding: each number of a row becomes itself and three values more.
//
//     x  ->  x,  e[d] = bias[d] + sum over k of mix[k][d] * cos(2 pi (frequency[k] x + phase[k]))      k < 16, d < 3
//
// "PBLD" of RealMLP (Holzmueller et al., arXiv:2407.04491, section 3.1, after Gorishniy et al., arXiv:2203.05556), which
// gives a network the high frequencies that trees have for nothing. Phases are in turns, so that reducing an angle is
// exact; their learning rate is smaller by 2 pi, so that Adam takes the steps that it would in radians.
//
// Layout: rows of parameters, a column a number: frequency[16], phase[16], mix[16][3], bias[3]. Vectors run over numbers,
//         so a value of a row is one chain in order of k, and a gradient one chain in order of rows.
// Cost:   16 cosines a number and row forward, 16 cosines and sines for the gradient.
#pragma once

#include <cstdint>

namespace ash::embedding {

inline constexpr int kFrequencies = 16;
inline constexpr int kDimensions = 3;  // beside the number itself
inline constexpr int kPhases = kFrequencies;
inline constexpr int kMixes = 2 * kFrequencies;
inline constexpr int kBiases = kMixes + kFrequencies * kDimensions;
inline constexpr int kRows = kBiases + kDimensions;
inline constexpr std::int64_t kColumns = 16;  // numbers whose gradient is computed and used together

}  // namespace ash::embedding
