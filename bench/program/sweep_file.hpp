// sweep_file.hpp: what ash_bench measures: a table and the candidates of each setting, inside the program.
//
// bench/program/__init__.py writes the file and says how it is laid out. It is read on little-endian machines only.
#pragma once

#include <string>
#include <vector>

#include "ash/candidates.hpp"
#include "ash/data.hpp"
#include "ash/settings.hpp"

namespace ash::bench {

struct Setting {
    std::string name;
    Continuation training;
    std::vector<Settings> candidates;  // the first k are those of a run with k models
};

struct Sweep {
    std::string origin;  // JSON: of what commit and code the program was made
    std::string table;
    Data data;
    std::vector<Setting> settings;
};

// Throws std::runtime_error, with a sentence, where the program was built without a file or with a damaged one.
Sweep read_sweep();

}  // namespace ash::bench
