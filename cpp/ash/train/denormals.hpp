// denormals.hpp: FlushDenormals, which makes its thread treat numbers of magnitude below 2^-126 as zero while the
// object exists.
//
// The optimizer's moments of weights that no longer receive a gradient keep shrinking until they are denormal. They
// then remain denormal, since 0.95 times one of the smallest denormals rounds to itself. On x86 every operation on a
// denormal takes 150 cycles, so a job takes 20 times as long.
//
// Promise: all x86 instruction sets flush in the same way. 64-bit Arm decides before rounding whether a result is
//          flushed; x86 decides after rounding. So Arm and x86 can differ only for results that round up to 2^-126.
//          These are about 1 in 2^24 of the results between 2^-127 and 2^-126.
// Threads: the mode belongs to a thread. The destructor restores the previous mode. Cost: tens of cycles.
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
    static constexpr Mode kFlush = 0x8040;  // flushes both results and operands
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
