// simd.hpp: float vectors as wide as those of the including unit's instruction set, by GCC and Clang vector extensions.
//
// Included only by unit_*.cpp. All functions here and in the kernel headers have internal linkage. They use only
// constants of the standard library, none of its inline functions. Otherwise the linker might choose, for the whole
// program, a copy of an inline function that was compiled for AVX-512. The program would then crash with an illegal
// instruction on other machines. A test (cmake/weak_symbols.cmake) checks the units.
//
// A fused multiply-add is always explicit (fma below). -ffp-contract=off keeps the compiler from fusing on its own.
// Baseline x86-64 has no fma instruction, so its fma is a product and a sum, whose bits differ from those of the other
// units.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

// Floats per vector. A test may request more floats than a register holds, to run the AVX-512 tiles on a machine
// without AVX-512.
#if defined(ASH_LANES)
#elif defined(__AVX512F__)
#define ASH_LANES 16
#elif defined(__AVX2__)
#define ASH_LANES 8
#else
#define ASH_LANES 4
#endif

#define ASH_INLINE inline __attribute__((always_inline))
// Hides the value of a vector from the compiler.
#define ASH_OPAQUE(value) __asm__ volatile("" : "+m"(value))

namespace {

constexpr int kLanes = ASH_LANES;

// With ASH_UNFUSED, fma() is a product and a sum, as on baseline x86-64, even if the processor has an fma instruction.
#if (defined(__FMA__) || defined(__ARM_FEATURE_FMA)) && !defined(ASH_UNFUSED)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;
#endif

// may_alias is needed, since float arrays are read and written through these types.
using Floats = float __attribute__((vector_size(kLanes * 4), may_alias));
using Integers = int32_t __attribute__((vector_size(kLanes * 4), may_alias));
using Words = uint32_t __attribute__((vector_size(kLanes * 4), may_alias));

ASH_INLINE Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }
ASH_INLINE void store(float* to, Floats value) { *reinterpret_cast<Floats*>(to) = value; }
// A vector with only the alignment of a float. The attribute is placed after the name LooseFloats, since clang would
// ignore it after Floats.
using LooseFloats __attribute__((aligned(4))) = Floats;
static_assert(alignof(LooseFloats) == alignof(float));
ASH_INLINE Floats load_loose(const float* from) { return *reinterpret_cast<const LooseFloats*>(from); }
ASH_INLINE void store_loose(float* to, Floats value) { *reinterpret_cast<LooseFloats*>(to) = value; }
ASH_INLINE Floats broadcast(float value) { return value - Floats{}; }  // x - 0 is x for every x, including -0
ASH_INLINE Integers bits(Floats value) { return reinterpret_cast<Integers&>(value); }
ASH_INLINE Floats from_bits(Integers value) { return reinterpret_cast<Floats&>(value); }

ASH_INLINE Floats fma(Floats a, Floats b, Floats c) {
#if defined(ASH_UNFUSED)
    return a * b + c;
#elif ASH_LANES == 16 && defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#elif ASH_LANES == 8 && defined(__FMA__)
    return _mm256_fmadd_ps(a, b, c);
#elif ASH_LANES == 4 && defined(__ARM_FEATURE_FMA)
    return vfmaq_f32(c, a, b);
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    for (int i = 0; i < kLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}

ASH_INLINE Floats square_root(Floats x) {
#if ASH_LANES == 16 && defined(__AVX512F__)
    return _mm512_sqrt_ps(x);
#elif ASH_LANES == 8 && defined(__AVX2__)
    return _mm256_sqrt_ps(x);
#elif ASH_LANES == 4 && defined(__SSE2__)
    return _mm_sqrt_ps(x);
#else
    for (int i = 0; i < kLanes; ++i) x[i] = __builtin_sqrtf(x[i]);
    return x;
#endif
}

// Each lane of the mask is all ones or all zeros, as in the result of a comparison.
ASH_INLINE Floats select(Integers mask, Floats yes, Floats no) { return mask ? yes : no; }
// max(value, bound); NaN in value is passed through.
ASH_INLINE Floats at_least(Floats value, Floats bound) {
#if ASH_LANES == 16 && defined(__AVX512F__)
    return _mm512_max_ps(bound, value);
#elif ASH_LANES == 8 && defined(__AVX2__)
    return _mm256_max_ps(bound, value);
#else
    return value < bound ? bound : value;
#endif
}
ASH_INLINE Floats at_most(Floats value, Floats bound) {
#if ASH_LANES == 16 && defined(__AVX512F__)
    return _mm512_min_ps(bound, value);
#elif ASH_LANES == 8 && defined(__AVX2__)
    return _mm256_min_ps(bound, value);
#else
    return value > bound ? bound : value;
#endif
}
ASH_INLINE Floats absolute(Floats x) { return from_bits(bits(x) & 0x7FFFFFFF); }
ASH_INLINE Floats with_sign_of(Floats magnitude, Floats sign) {
    return from_bits(bits(magnitude) | (bits(sign) & static_cast<int32_t>(0x80000000)));
}

ASH_INLINE Integers lane_numbers() {
    Integers numbers{};
    for (int i = 0; i < kLanes; ++i) numbers[i] = i;
    return numbers;
}

// Calls function(index of the first lane) for every vector of a block [rows][stride] up to its last column. If rows
// have no unused vectors at their end, the block is traversed as one long row.
template <typename Function>
ASH_INLINE void for_vectors(int64_t rows, int64_t columns, int64_t stride, Function function) {
    int64_t width = (columns + kLanes - 1) / kLanes * kLanes;
    if (width == stride) {
        width *= rows;
        rows = 1;
    }
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t i = row * stride; i < row * stride + width; i += kLanes) function(i);
    }
}

}  // namespace
