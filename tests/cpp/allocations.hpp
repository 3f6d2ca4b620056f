// allocations.hpp: counts the allocations of this thread and the memory not yet freed, and makes a chosen allocation
// fail; allocations.cpp replaces operator new.
#pragma once

#include <cstdint>

namespace ash::testing {

std::int64_t allocations();      // since the thread began
std::int64_t allocated_bytes();  // since the thread began

std::int64_t live_allocations();  // allocations of all threads that are not yet freed

// Makes the n-th allocation from now on fail, counted over all threads. With 0, no allocation fails. Returns whether an
// earlier request had not yet taken effect.
bool fail_at(std::int64_t n);

}  // namespace ash::testing
