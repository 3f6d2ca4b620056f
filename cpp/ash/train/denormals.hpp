// denormals.hpp: FlushDenormals: while one lives, its thread takes numbers below 2^-126 for zero.
//
// Moments of weights that get no gradient any more halve and halve, and end as denormals for good, since 0.95 times the
// least ones rounds to themselves; on x86 each operation on one takes 150 cycles, and a job 20 times as long.
//
// Promise: all x86 instruction sets flush alike. 64-bit Arm decides before it rounds, x86 after, so a result that rounds
//          up to 2^-126 is the one in 2^24 of the smallest where they may differ.
// Threads: the mode belongs to a thread, and is put back. Cost: some tens of cycles.
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
    static constexpr Mode kFlush = 0x8040;  // of results, and of what comes in
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
