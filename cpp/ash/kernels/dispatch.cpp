#include <array>
#include <stdexcept>
#include <string>

#include "ash/kernels/kernels.hpp"

#if defined(ASH_AMX)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace ash {

#if defined(ASH_AMX)
extern void (*const kTileProduct)(const Product&, float*) noexcept;
#endif
#if defined(__x86_64__)
extern const Kernels kV4;
extern const Kernels kV3;
extern const Kernels kBaseline;
#elif defined(__aarch64__)
extern const Kernels kNeon;
extern const Kernels kBaseline;
#else
extern const Kernels kBaseline;
#endif

namespace {

struct Available {
    std::array<const Kernels*, 4> tables{};
    std::size_t count = 0;
    void add(const Kernels& table) { tables.at(count++) = &table; }
};

#if defined(ASH_AMX)
// Returns whether the processor has AMX tiles and AVX-512 instructions for bfloat16, and the system lets this process
// use the tiles. A process must request permission, since tiles need larger signal stacks (Linux,
// Documentation/arch/x86/xstate.rst).
bool may_use_tiles() {
    constexpr unsigned kTilesAndBfloat16 = (1U << 24) | (1U << 22);
    constexpr unsigned kBfloat16OfAvx512 = 1U << 5;
    constexpr long kAskForState = 0x1023;  // ARCH_REQ_XCOMP_PERM
    constexpr long kTileData = 18;
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTilesAndBfloat16) != kTilesAndBfloat16) return false;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) == 0 || (a & kBfloat16OfAvx512) == 0) return false;
    return syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}
#endif

// Returns the tables that can run on this processor, best first. Checks exactly the features for which unit_*.cpp are
// compiled (cmake/flags.cmake). __builtin_cpu_supports also checks whether the operating system saves the registers.
Available detect() {
    Available available;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                    __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
#if defined(ASH_AMX)
    if (v4 && may_use_tiles()) {
        static Kernels amx = kV4;
        amx.name = "x86-64-v4-amx";
        amx.product_bfloat16 = kTileProduct;
        available.add(amx);
    }
#endif
    if (v4) available.add(kV4);
    if (v3) available.add(kV3);
    available.add(kBaseline);
#elif defined(__aarch64__)
    available.add(kNeon);
    available.add(kBaseline);
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
