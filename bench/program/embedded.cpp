// embedded.cpp: the sweep file as part of the program, so that one file is all that has to be carried.
#include "sweep_file.hpp"

#ifdef ASH_BENCH_SWEEP
asm(".pushsection .rodata\n"
    "ash_bench_sweep_begin:\n"
    ".incbin \"" ASH_BENCH_SWEEP
    "\"\n"
    "ash_bench_sweep_end:\n"
    ".popsection\n");

extern "C" {
extern const std::byte ash_bench_sweep_begin[];
extern const std::byte ash_bench_sweep_end[];
}
#endif

namespace ash::bench {

std::span<const std::byte> embedded_sweep() {
#ifdef ASH_BENCH_SWEEP
    return {ash_bench_sweep_begin, ash_bench_sweep_end};
#else
    return {};
#endif
}

}  // namespace ash::bench
