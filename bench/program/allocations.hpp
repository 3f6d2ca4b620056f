// allocations.hpp: how many bytes the program asks for; operator new is replaced in allocations.cpp.
//
// Only while counting: what was there before is not counted off when it is freed, and without counting an allocation
// costs one look at a flag more. Bytes are those asked for, of all threads. Stacks of threads are not among them.
#pragma once

#include <cstdint>

namespace ash::bench {

struct Allocated {
    std::int64_t calls = 0;
    std::int64_t bytes = 0;       // in all
    std::int64_t peak_bytes = 0;  // the most that lived at once
    std::int64_t live_bytes = 0;  // not freed yet
};

void start_counting();  // from zero
Allocated stop_counting();

}  // namespace ash::bench
