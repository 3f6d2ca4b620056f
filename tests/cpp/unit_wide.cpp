// The AVX-512 unit, compiled for AVX2: the compiler splits each vector in two. So its logic is tested without AVX-512.
#define ASH_LANES 16
#include "ash/kernels/unit.hpp"

ASH_KERNELS_TABLE(kWide, "wide")
