// report.hpp: the figures as JSON, in the words of bench/suite.py: machine, quick, seconds, results.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../describe.hpp"

namespace ash::bench {

using Results = std::vector<std::pair<std::string, std::string>>;  // key of a case, and its JSON

std::string number(double value);
std::string list(std::span<const double> values);

// An object of members whose values are JSON already.
std::string object(const Results& members);

// Processor, build and date, by the names of bench/machine.py.
Results machine();

// REQUIRES: the results of a whole run, or of what there is yet.
std::string report(const Results& machine, const std::string& table, double seconds, const Results& results);

// Whether there can be a file of this name: to be found out beforehand, and not after an hour.
bool writable(const std::string& path);

// To a file, whole or not at all, or to standard output where the path is empty. Throws std::runtime_error.
void write(const std::string& path, const std::string& text);

}  // namespace ash::bench
