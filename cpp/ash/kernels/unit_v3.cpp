#include "ash/kernels/unit.hpp"

ASH_KERNELS_TABLE(kV3, "x86-64-v3")
