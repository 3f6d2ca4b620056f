// allocations.hpp: counts the allocations of each thread and those not yet freed, and makes a chosen allocation
// fail; allocations.cpp replaces operator new.
#pragma once

#include <cstdint>

namespace ash::testing {

std::int64_t allocations();      // allocations of this thread since it began
std::int64_t allocated_bytes();  // bytes that this thread has allocated since it began

std::int64_t live_allocations();  // allocations of all threads that are not yet freed

// Makes the n-th allocation from now on fail, counted over all threads. With 0, no allocation fails. Returns whether an
// earlier request had not yet taken effect.
bool fail_at(std::int64_t n);

}  // namespace ash::testing
