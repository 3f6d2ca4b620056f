// require.hpp: require(), which checks arguments throughout the core.
#pragma once

#include <stdexcept>
#include <string>

namespace ash {

// Throws std::invalid_argument, a ValueError in Python, unless the condition holds.
inline void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

inline void require(bool holds, const std::string& what) { require(holds, what.c_str()); }

}  // namespace ash
