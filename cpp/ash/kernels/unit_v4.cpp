#include "ash/kernels/unit.hpp"

ASH_KERNELS_TABLE(kV4, "x86-64-v4")
