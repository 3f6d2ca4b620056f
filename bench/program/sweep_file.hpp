// sweep_file.hpp: what is measured: a table and the candidates of each setting, as bench/sweep.py writes them.
//
// The layout stands in bench/sweep.py, and is read here on little-endian machines only.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
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
    std::string table;
    Data data;
    std::vector<Setting> settings;

    const Setting& setting(std::string_view name) const;  // throws std::runtime_error where there is none
};

// The file inside this program; empty where it was built without one.
std::span<const std::byte> embedded_sweep();

// Throws std::runtime_error, with a sentence, for what is no sweep file.
Sweep read_sweep(std::span<const std::byte> content);
Sweep read_sweep(const std::string& path);

}  // namespace ash::bench
