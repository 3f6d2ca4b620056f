// The AVX-512 unit compiled with vectors that the compiler splits, so that its logic can be tested without AVX-512.
#define ASH_LANES 16
#include "ash/kernels/unit.hpp"

ASH_KERNELS_TABLE(kWide, "wide")
