// elementary.hpp: exp, log, tanh and sigmoid on vectors, without libm, whose results differ between versions.
//
// Method: for exp, the argument is reduced to |r| <= ln(2)/2 with ln 2 split into two constants (Cody and Waite). A
// Taylor polynomial is evaluated on that range, and the exponent is inserted as bits. tanh and sigmoid are computed
// from this exp, and log from a series of atanh. A table in cpp/DESIGN.md lists the largest errors that
// tests/core/test_elementary.py measured with fused multiply-add.
// Special values are those of C: exp(-inf) = 0, log(0) = -inf, log(-1) = NaN, NaN stays NaN. Results below 2^-126 are
// rounded as denormals.
// Included only by unit_*.cpp.
#pragma once

#include "ash/kernels/simd.hpp"

namespace {

constexpr float kLog2E = 1.44269504F;
constexpr float kLn2High = 0.693145752F;    // the first 15 bits of ln 2: n * kLn2High is exact
constexpr float kLn2Low = 1.42860677e-6F;   // ln 2 - kLn2High
constexpr float kRoundMagic = 12582912.0F;  // 1.5 * 2^23: adding it to x leaves round(x) in the low bits

// 2^n for n in [-126, 127].
ASH_INLINE Floats power_of_two(Integers n) { return from_bits((n + 127) << 23); }

struct Reduced {
    Integers n;
    Floats excess;  // e^r - 1, where x = n ln 2 + r
};

// e^x = 2^n (1 + excess). REQUIRES: |x| < 2^21, or NaN.
ASH_INLINE Reduced reduce_exp(Floats x) {
    const Floats shifted = fma(x, broadcast(kLog2E), broadcast(kRoundMagic));
    const Floats n = shifted - kRoundMagic;
    Floats r = fma(n, broadcast(-kLn2High), x);
    r = fma(n, broadcast(-kLn2Low), r);
    Floats p = broadcast(1.0F / 5040);
    p = fma(p, r, broadcast(1.0F / 720));
    p = fma(p, r, broadcast(1.0F / 120));
    p = fma(p, r, broadcast(1.0F / 24));
    p = fma(p, r, broadcast(1.0F / 6));
    p = fma(p, r, broadcast(0.5F));
    return {bits(shifted) - bits(broadcast(kRoundMagic)), fma(p, r * r, r)};
}

// e^x. REQUIRES: -105 <= x <= 89, or NaN.
ASH_INLINE Floats exp_within(Floats x) {
    const Reduced reduced = reduce_exp(x);
#if ASH_LANES == 16 && defined(__AVX512F__)
    return _mm512_scalef_ps(1.0F + reduced.excess, __builtin_convertvector(reduced.n, Floats));
#else
    const Integers half = reduced.n >> 1;  // 2^n is split into two factors, so that denormals and infinity are correct
    return (1.0F + reduced.excess) * power_of_two(half) * power_of_two(reduced.n - half);
#endif
}

ASH_INLINE Floats exp(Floats x) { return exp_within(at_most(at_least(x, broadcast(-105.0F)), broadcast(89.0F))); }

// e^x for x <= 0, as in a softmax. The result is zero if x < -87, so no result is denormal. This saves a
// multiplication.
ASH_INLINE Floats exp_of_negative(Floats x) {
    const Reduced reduced = reduce_exp(at_least(x, broadcast(-87.0F)));
    return select(x < -87.0F, Floats{}, (1.0F + reduced.excess) * power_of_two(reduced.n));
}

ASH_INLINE Floats log(Floats x) {
    const Integers tiny = x < 0x1.0p-126F;
    const Floats scaled = select(tiny, x * 0x1.0p23F, x);
    // The mantissa is in [sqrt(1/2), sqrt(2)), so log(1) is exact and nothing cancels near 1.
    const Integers offset = bits(scaled) - 0x3F3504F3;
    const Integers exponent = offset >> 23;
    const Floats mantissa = from_bits((offset & 0x007FFFFF) + 0x3F3504F3);
    const Floats e = __builtin_convertvector(exponent, Floats) - select(tiny, broadcast(23.0F), Floats{});
    const Floats f = mantissa - 1.0F;
    // log(1 + f) = 2 atanh(s) = f - f^2/2 + s (f^2/2 + R), R = 2/3 s^2 + 2/5 s^4 + ...
    const Floats s = f / (2.0F + f);
    const Floats z = s * s;
    Floats p = broadcast(2.0F / 11);
    p = fma(p, z, broadcast(2.0F / 9));
    p = fma(p, z, broadcast(2.0F / 7));
    p = fma(p, z, broadcast(2.0F / 5));
    p = fma(p, z, broadcast(2.0F / 3));
    const Floats half_square = 0.5F * f * f;
    const Floats tail = fma(s, fma(p, z, half_square), e * kLn2Low);
    const Floats finite = fma(e, broadcast(kLn2High), f - (half_square - tail));
    const Floats infinity = broadcast(__builtin_inff());
    Floats result = select(x == infinity, infinity, finite);
    result = select(x == 0.0F, -infinity, result);
    return select((x < 0.0F) | (x != x), broadcast(__builtin_nanf("")), result);
}

ASH_INLINE Floats tanh(Floats x) {
    const Floats size = at_most(absolute(x), broadcast(10.0F));
    const Reduced reduced = reduce_exp(size + size);
    const Floats factor = power_of_two(reduced.n);
    const Floats expm1 = fma(factor, reduced.excess, factor - 1.0F);  // e^(2 |x|) - 1, accurate for small x
    return with_sign_of(expm1 / (expm1 + 2.0F), x);
}

ASH_INLINE Floats sigmoid(Floats x) {
    const Floats e = exp_within(at_least(-absolute(x), broadcast(-105.0F)));
    return select(x < 0.0F, e, broadcast(1.0F)) / (1.0F + e);
}

}  // namespace
