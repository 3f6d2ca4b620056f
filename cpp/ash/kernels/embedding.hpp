// embedding.hpp: the parameters of a periodic embedding, which maps a numeric feature x (a "number") to
// itself and three more values.
//
//     x  ->  x,  e[d] = bias[d] + sum over k of mix[k][d] * cos(2 pi (frequency[k] x + phase[k]))      k < 16, d < 3
//
// This is "PBLD" of RealMLP (Holzmueller et al., arXiv:2407.04491, section 3.1, after Gorishniy et al.,
// arXiv:2203.05556). With it, networks can learn functions that change quickly, as trees can. Phases are measured in
// turns, so that reducing an angle is exact. The learning rate of phases is divided by 2 pi, so that Adam takes the
// same steps as with radians.
//
// Layout: rows of parameters, one column per number: frequency[16], phase[16], mix[16][3], bias[3]. SIMD vectors run
//         over numbers, so each embedded value is summed as one chain in order of k, and each gradient as one chain in
//         row order.
// Cost:   per number and row, 16 cosines forward, and 16 cosines and 16 sines for the gradient.
#pragma once

#include <cstdint>

namespace ash::embedding {

inline constexpr int kFrequencies = 16;
inline constexpr int kDimensions = 3;  // outputs of the embedding per number, in addition to the number itself
inline constexpr int kPhases = kFrequencies;
inline constexpr int kMixes = 2 * kFrequencies;
inline constexpr int kBiases = kMixes + kFrequencies * kDimensions;
inline constexpr int kRows = kBiases + kDimensions;
inline constexpr std::int64_t kColumns = 16;  // embedded features whose gradient is computed and applied together

}  // namespace ash::embedding
