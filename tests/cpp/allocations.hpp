// allocations.hpp: how often this thread has asked for memory; operator new is replaced in allocations.cpp.
#pragma once

#include <cstdint>

namespace ash::testing {

std::int64_t allocations();      // since the thread began
std::int64_t allocated_bytes();  // likewise

}  // namespace ash::testing
