#include "ash/kernels/unit.hpp"

ASH_KERNELS_TABLE(kNeon, "neon")
