// times.hpp: the sweep over models, algorithms, teams and threads, checked and timed.
#pragma once

#include <functional>

#include "arguments.hpp"
#include "report.hpp"
#include "sweep_file.hpp"

namespace ash::bench {

// Adds each case to the results and writes them after every number of models. A line a case on standard error. Throws
// std::runtime_error where two runs that must be equal are not.
void measure_times(const Sweep& sweep, const Arguments& arguments, Results& results, const std::function<void()>& keep);

}  // namespace ash::bench
