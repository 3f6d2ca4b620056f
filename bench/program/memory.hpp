// memory.hpp: the seed's memory table: bytes allocated by runs of 2, 4, 8, 16 and 32 models on one thread.
#pragma once

#include "report.hpp"
#include "sweep_file.hpp"

namespace ash::bench {

// Adds a case for each number of models: "allocations, 32". Throws std::runtime_error where a further epoch allocates.
void measure_allocations(const Sweep& sweep, Results& results);

}  // namespace ash::bench
