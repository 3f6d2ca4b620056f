// allocations.hpp: how often this thread has asked for memory, what is held, and a failure to order; operator new is
// replaced in allocations.cpp.
#pragma once

#include <cstdint>

namespace ash::testing {

std::int64_t allocations();      // since the thread began
std::int64_t allocated_bytes();  // likewise

std::int64_t live_allocations();  // of all threads: what is not yet freed

// The n-th allocation from now on fails, whichever thread asks for it; 0: none does. Returns whether one was still to
// come.
bool fail_at(std::int64_t n);

}  // namespace ash::testing
