// AVX-512 tiles and passes in vectors that the compiler splits, so that their logic is tested without AVX-512.
#define ASH_LANES 16
#include "ash/kernels/unit.hpp"

ASH_KERNELS_TABLE(kWide, "wide")
