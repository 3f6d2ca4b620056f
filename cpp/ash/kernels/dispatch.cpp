#include <array>
#include <stdexcept>
#include <string>

#include "ash/kernels/kernels.hpp"

namespace ash {

#if defined(__x86_64__)
extern const Kernels kV4;
extern const Kernels kV3;
extern const Kernels kBaseline;
#elif defined(__aarch64__)
extern const Kernels kNeon;
#else
extern const Kernels kBaseline;
#endif

namespace {

struct Available {
    std::array<const Kernels*, 3> tables{};
    std::size_t count = 0;
    void add(const Kernels& table) { tables.at(count++) = &table; }
};

// Asks for exactly the features that the units are compiled with (cmake/flags.cmake); the builtin also asks the operating
// system whether it saves the registers.
Available detect() {
    Available available;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                    __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
    if (v4) available.add(kV4);
    if (v3) available.add(kV3);
    available.add(kBaseline);
#elif defined(__aarch64__)
    available.add(kNeon);
#else
    available.add(kBaseline);
#endif
    return available;
}

}  // namespace

std::span<const Kernels* const> available_kernels() {
    static const Available available = detect();
    return {available.tables.data(), available.count};
}

const Kernels& kernels(std::string_view name) {
    std::string known;
    for (const Kernels* table : available_kernels()) {
        if (name.empty() || name == table->name) return *table;
        known += std::string(known.empty() ? "" : ", ") + table->name;
    }
    throw std::invalid_argument("instruction set '" + std::string(name) + "' is none of those available: " + known);
}

}  // namespace ash
