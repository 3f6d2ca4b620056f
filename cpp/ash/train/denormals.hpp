// denormals.hpp: FlushDenormals: while such an object lives, its thread treats numbers below 2^-126 as zero.
//
// Moments of weights that no longer get a gradient keep shrinking. They end as denormals for good, since 0.95 times the
// smallest ones rounds to themselves. On x86 each operation on a denormal takes 150 cycles, and a job 20 times as long.
//
// Promise: all x86 instruction sets flush alike. 64-bit Arm decides before it rounds, x86 after. So they may differ
//          only for a result that rounds up to 2^-126, one in 2^24 of the smallest.
// Threads: the mode belongs to a thread, and is restored. Cost: some tens of cycles.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace ash {

class FlushDenormals {
  public:
    FlushDenormals() : before_(mode()) { set_mode(before_ | kFlush); }
    ~FlushDenormals() { set_mode(before_); }
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;

  private:
#if defined(__SSE2__)
    using Mode = std::uint32_t;
    static constexpr Mode kFlush = 0x8040;  // of results and of operands
    static Mode mode() { return _mm_getcsr(); }
    static void set_mode(Mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
    using Mode = std::uint64_t;
    static constexpr Mode kFlush = Mode{1} << 24;
    static Mode mode() {
        Mode mode;
        __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
        return mode;
    }
    static void set_mode(Mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
    using Mode = int;
    static constexpr Mode kFlush = 0;
    static Mode mode() { return 0; }
    static void set_mode(Mode) {}
#endif

    const Mode before_;
};

}  // namespace ash
