// The tiles and passes of AVX-512 in vectors that the compiler splits: their logic is tested on machines without it.
#define ASH_LANES 16
#include "ash/kernels/unit.hpp"

ASH_KERNELS_TABLE(kWide, "wide")
