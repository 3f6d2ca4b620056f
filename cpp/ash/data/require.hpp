// require.hpp: require(), with which the core checks its arguments.
#pragma once

#include <stdexcept>
#include <string>

namespace ash {

// Throws std::invalid_argument, which Python sees as a ValueError, unless the condition holds.
inline void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

inline void require(bool holds, const std::string& what) { require(holds, what.c_str()); }

}  // namespace ash
