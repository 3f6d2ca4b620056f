// tiles.hpp: the products of bfloat16.hpp on AMX tiles (Intel, since Sapphire Rapids).
//
//     A  [rows][terms]          two bytes per number, rows filled up to a multiple of 32 terms; packed once per product
//     B  [terms / 2][columns]   four bytes: terms 2 k and 2 k + 1 of a column; packed once per product
//
//     a tile of C: 16 x 16 floats; TDPBF16PS adds the product of 16 rows of A and 16 columns of B over 32 terms. Four
//     tiles of C, 32 x 32, stay in registers while k runs.
//
// A tile that extends below the last row of C is first stored on the stack, since nothing may be written below that
// row.
// Included only by unit_amx.cpp and by tests, which simulate the instructions on processors without AMX.
#pragma once

#include "ash/kernels/kernels.hpp"
#include "ash/kernels/simd.hpp"
#include "ash/kernels/transpose.hpp"

static_assert(ASH_LANES == 16);

#if defined(ASH_SIMULATED_TILES)
namespace {

struct SimulatedTile {
    alignas(64) uint32_t words[16][16];
};
thread_local SimulatedTile simulated_tiles[8];

inline void simulate_load(int tile, const void* from, int64_t stride) {
    for (int row = 0; row < 16; ++row)
        __builtin_memcpy(simulated_tiles[tile].words[row], static_cast<const char*>(from) + row * stride, 64);
}

inline void simulate_store(int tile, void* to, int64_t stride) {
    for (int row = 0; row < 16; ++row)
        __builtin_memcpy(static_cast<char*>(to) + row * stride, simulated_tiles[tile].words[row], 64);
}

inline float float_of(uint32_t word) {
    float value = 0.0F;
    __builtin_memcpy(&value, &word, 4);
    return value;
}

inline void simulate_product(int c, int a, int b) {
    for (int m = 0; m < 16; ++m) {
        for (int n = 0; n < 16; ++n) {
            float even = 0.0F;
            float odd = 0.0F;
            for (int k = 0; k < 16; ++k) {
                const uint32_t x = simulated_tiles[a].words[m][k];
                const uint32_t y = simulated_tiles[b].words[k][n];
                even = __builtin_fmaf(float_of(x << 16), float_of(y << 16), even);
                odd = __builtin_fmaf(float_of(x & 0xFFFF0000U), float_of(y & 0xFFFF0000U), odd);
            }
            const float sum = float_of(simulated_tiles[c].words[m][n]) + (even + odd);
            __builtin_memcpy(&simulated_tiles[c].words[m][n], &sum, 4);
        }
    }
}

}  // namespace
#define ASH_TILE_LOAD(tile, from, stride) simulate_load(tile, from, stride)
#define ASH_TILE_STORE(tile, to, stride) simulate_store(tile, to, stride)
#define ASH_TILE_PRODUCT(c, a, b) simulate_product(c, a, b)
#else
#define ASH_TILE_LOAD(tile, from, stride) _tile_loadd(tile, from, stride)
#define ASH_TILE_STORE(tile, to, stride) _tile_stored(tile, to, stride)
#define ASH_TILE_PRODUCT(c, a, b) _tile_dpbf16ps(c, a, b)
#endif

namespace {

constexpr int64_t kTile = 16;   // rows and columns of a tile of C
constexpr int64_t kDepth = 32;  // terms per instruction

alignas(64) constexpr float kZeros[kTile] = {};

ASH_INLINE int64_t whole(int64_t count, int64_t of) { return (count + of - 1) / of * of; }

// All tiles have 16 rows of 64 bytes.
ASH_INLINE void configure_tiles() {
#if !defined(ASH_SIMULATED_TILES)
    struct {
        uint8_t palette = 1;
        uint8_t first = 0;
        uint8_t reserved[14] = {};
        uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } layout;
    static_assert(sizeof(layout) == 64);
    _tile_loadconfig(&layout);
#endif
}

// Releases the tiles after a product, since suspending a thread takes longer while it holds tiles.
ASH_INLINE void release_tiles() {
#if !defined(ASH_SIMULATED_TILES)
    _tile_release();
#endif
}

// Returns 16 numbers rounded to bfloat16.
ASH_INLINE __m256i rounded(const float* from) {
    return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_load_ps(from)));
}

// Rounds two rows of 16 numbers and returns 16 words. Each word holds a number of the first row in its lower half, and
// a number of the second row in its upper half. A null second row counts as zeros.
ASH_INLINE __m512i paired(const float* first, const float* second) {
    const __m512i low = _mm512_cvtepu16_epi32(rounded(first));
    if (second == nullptr) return low;
    return _mm512_or_si512(low, _mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded(second)), 16));
}

// `to` [pairs][columns] := pairs of rows of `from` [rows][stride], with zeros beyond the last row.
void pack_pairs(const float* from, ash::Block block, int64_t pairs, uint32_t* to, int64_t to_stride) noexcept {
    for (int64_t pair = 0; pair < pairs; ++pair) {
        const int64_t row = 2 * pair;
        const float* first = from + row * block.stride;
        for (int64_t i = 0; i < block.columns; i += 16) {
            const __m512i words = row >= block.rows      ? _mm512_setzero_si512()
                                  : row + 1 < block.rows ? paired(first + i, first + block.stride + i)
                                                         : paired(first + i, nullptr);
            _mm512_store_si512(to + pair * to_stride + i, words);
        }
    }
}

// Packs A for tiles if the rows of p.a are the rows of A. `to` [whole(rows, 16)][words] has two numbers per word, with
// zeros after the last term and the last row.
void pack_rows(const ash::Product& p, int64_t words, uint32_t* to) noexcept {
    for (int64_t row = 0; row < whole(p.rows, kTile); ++row) {
        for (int64_t i = 0; i < 2 * words; i += 16) {
            __m256i numbers = _mm256_setzero_si256();
            if (row < p.rows && i < p.terms) {
                const int64_t left = p.terms - i;
                const auto used = static_cast<__mmask16>(left < 16 ? (1 << left) - 1 : 0xFFFF);
                numbers =
                    reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_load_ps(used, p.a + row * p.a_row + i)));
            }
            _mm256_store_si256(reinterpret_cast<__m256i*>(to + row * words) + i / 16, numbers);
        }
    }
}

// Packs A for tiles if the rows of p.a are the columns of A. This is the case for the product X^T D of a gradient.
void pack_columns(const ash::Product& p, int64_t words, uint32_t* to) noexcept {
    alignas(64) uint32_t square[16 * 16];
    for (int64_t row = 0; row < p.rows; row += kTile) {
        for (int64_t word = 0; word < words; word += 16) {
            const int64_t term = 2 * word;
            const int64_t left = p.terms > term ? p.terms - term : 0;
            pack_pairs(p.a + term * p.a_column + row, {left, 16, p.a_column}, 16, square, 16);
            // Words are transposed as if they were floats, since both have 4 bytes.
            transpose(reinterpret_cast<const float*>(square), {16, 16, 16},
                      reinterpret_cast<float*>(to + row * words + word), words);
        }
    }
}

// The initial values of the sums in a tile of C (16 x 16 elements).
struct TileStart {
    const float* from;
    int64_t stride;  // bytes per row
};

// Up to 2 x 2 tiles of C, starting at `row` and `column` and clipped to the rows of the product. The arguments `down`
// and `right` (0 or 1) select one of these tiles.
class TileBlock {
  public:
    TileBlock(const ash::Product& p, int64_t row, int64_t column)
        : p_(p), c_(p.c + row * p.c_stride + column), row_(row), column_(column) {}

    TileStart start(int down, int right) noexcept {
        if (p_.start == ash::Start::accumulate) {
            const float* from = at(down, right);
            if (rows(down) >= kTile) return {from, p_.c_stride * 4};
            for (int64_t r = 0; r < rows(down); ++r) store(edge_ + r * kTile, load(from + r * p_.c_stride));
            return {edge_, kTile * 4};
        }
        const bool has_bias = p_.start == ash::Start::bias && p_.bias != nullptr;
        return {has_bias ? p_.bias + column_ + right * kTile : kZeros, 0};
    }

    // Returns the address at which the sums of a tile are stored. If that is not in C, done() transfers them to C, and
    // with Start::scale multiplies C by them.
    float* target(int down, int right) noexcept { return is_direct(down) ? at(down, right) : edge_; }
    int64_t target_stride(int down) const noexcept { return is_direct(down) ? p_.c_stride * 4 : kTile * 4; }
    void done(int down, int right) noexcept {
        if (is_direct(down)) return;
        float* to = at(down, right);
        for (int64_t r = 0; r < (rows(down) < kTile ? rows(down) : kTile); ++r) {
            const Floats sum = load(edge_ + r * kTile);
            float* row = to + r * p_.c_stride;
            store(row, p_.start == ash::Start::scale ? load(row) * sum : sum);
        }
    }

  private:
    int64_t rows(int down) const noexcept { return p_.rows - row_ - down * kTile; }
    bool is_direct(int down) const noexcept { return rows(down) >= kTile && p_.start != ash::Start::scale; }
    float* at(int down, int right) noexcept { return c_ + down * kTile * p_.c_stride + right * kTile; }

    const ash::Product& p_;
    float* c_;
    int64_t row_;
    int64_t column_;
    alignas(64) float edge_[kTile * kTile] = {};
};

// Tile numbers must be constants, since instructions contain them: 0 to 3 for C, 4 and 5 for A, 6 and 7 for B.
#define ASH_TILE_BEGIN(tile, down, right)                \
    {                                                    \
        const TileStart from = block.start(down, right); \
        ASH_TILE_LOAD(tile, from.from, from.stride);     \
    }
#define ASH_TILE_END(tile, down, right)                                             \
    {                                                                               \
        ASH_TILE_STORE(tile, block.target(down, right), block.target_stride(down)); \
        block.done(down, right);                                                    \
    }

void tiles_of_product(const ash::Product& p, const uint32_t* a, const uint32_t* b, int64_t words,
                      int64_t columns) noexcept {
    for (int64_t row = 0; row < p.rows; row += 2 * kTile) {
        const bool tall = row + kTile < p.rows;
        for (int64_t column = 0; column < p.columns; column += 2 * kTile) {
            const bool broad = column + kTile < p.columns;
            TileBlock block(p, row, column);
            ASH_TILE_BEGIN(0, 0, 0);
            if (broad) ASH_TILE_BEGIN(1, 0, 1);
            if (tall) ASH_TILE_BEGIN(2, 1, 0);
            if (tall && broad) ASH_TILE_BEGIN(3, 1, 1);
            for (int64_t word = 0; word < words; word += kDepth / 2) {
                ASH_TILE_LOAD(4, a + row * words + word, words * 4);
                ASH_TILE_LOAD(6, b + word * columns + column, columns * 4);
                ASH_TILE_PRODUCT(0, 4, 6);
                if (broad) {
                    ASH_TILE_LOAD(7, b + word * columns + column + kTile, columns * 4);
                    ASH_TILE_PRODUCT(1, 4, 7);
                }
                if (tall) {
                    ASH_TILE_LOAD(5, a + (row + kTile) * words + word, words * 4);
                    ASH_TILE_PRODUCT(2, 5, 6);
                    if (broad) ASH_TILE_PRODUCT(3, 5, 7);
                }
            }
            ASH_TILE_END(0, 0, 0);
            if (broad) ASH_TILE_END(1, 0, 1);
            if (tall) ASH_TILE_END(2, 1, 0);
            if (tall && broad) ASH_TILE_END(3, 1, 1);
        }
    }
}

void product_tiles(const ash::Product& p, float* scratch) noexcept {
    const int64_t words = whole(p.terms, kDepth) / 2;
    const int64_t columns = whole(p.columns, kTile);
    auto* a = reinterpret_cast<uint32_t*>(scratch);
    uint32_t* b = a + whole(p.rows, kTile) * words;
    if (p.a_column == 1) {
        pack_rows(p, words, a);
    } else {
        pack_columns(p, words, a);
    }
    pack_pairs(p.b, {p.terms, p.columns, p.b_stride}, words, b, columns);
    configure_tiles();
    tiles_of_product(p, a, b, words, columns);
    release_tiles();
}

}  // namespace
