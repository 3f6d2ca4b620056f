// Compares the product kernel with its naive twin for all pairs of sizes() in all three uses, to the last bit with fma.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "ash/train/denormals.hpp"
#include "kernel_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

enum class Kind { usual, wide, tiny, huge, infinite, nan };

// Returns numbers of a kind. Usual numbers are in [-1, 1). Wide numbers have many magnitudes. Products of tiny numbers
// are near the smallest normal number, and products of huge numbers exceed the largest number. With the kinds infinite
// and nan, one in 41 usual numbers is infinite or NaN.
AlignedFloats block_of_kind(Block block, std::uint64_t seed, Kind kind) {
    AlignedFloats values = random_block(block, seed);
    for (std::int64_t i = 0; i < values.size(); ++i) {
        float& value = values.data()[i];
        if (value == 0.0F) continue;  // padding stays zero
        const auto step = static_cast<int>(i % 41);
        if (kind == Kind::wide) value = std::ldexp(value, step - 20);
        if (kind == Kind::tiny) value = std::ldexp(value, step == 0 ? -130 : -60 - step % 6);
        if (kind == Kind::huge) value = std::ldexp(value, 60 + step % 8);
        if (kind == Kind::infinite && step == 0) value = INFINITY;
        if (kind == Kind::nan && step == 0) value = NAN;
    }
    return values;
}

// A product and the result of its naive twin, computed once for all instruction sets since the twin is slow.
class Sample {
  public:
    Sample(int rows, int columns, int terms, Start start, bool turned, bool rounded = false, Kind kind = Kind::usual)
        : block_(block_of(rows, columns)),
          rounded_(rounded),
          a_(block_of_kind(turned ? block_of(terms, rows) : block_of(rows, terms), 1, kind)),
          b_(block_of_kind(block_of(terms, columns), 2, kind)),
          bias_(random_block(block_of(1, columns), 3)),
          before_(random_block(block_, 4)),
          expected_(before_),
          product_{.a = a_.data(),
                   .a_row = turned ? 1 : padded(terms),
                   .a_column = turned ? padded(rows) : 1,
                   .b = b_.data(),
                   .b_stride = padded(columns),
                   .c = expected_.data(),
                   .c_stride = padded(columns),
                   .rows = rows,
                   .columns = columns,
                   .terms = terms,
                   .start = start,
                   .bias = start == Start::bias && terms % 2 == 0 ? bias_.data() : nullptr} {
        if (rounded) spoil_padding(turned ? block_of(terms, rows) : block_of(rows, terms));
        run(kReference, product_);
    }

    // Returns the distance between the results of the kernels and of the naive twin.
    double distance(const Kernels& kernels) const {
        AlignedFloats result = before_;
        Product product = product_;
        product.c = result.data();
        run(kernels, product);
        if (rounded_ && !same_signs(result)) return INFINITY;
        return testing::distance(result, expected_, block_);
    }

  private:
    void run(const Kernels& kernels, const Product& product) const {
        if (!rounded_) return kernels.product(product);
        AlignedFloats scratch(bfloat16_scratch(product.rows, product.columns, product.terms));
        kernels.product_bfloat16(product, scratch.data());
    }

    // Fills the padding of A with NaN, since products must not read it.
    void spoil_padding(Block block) {
        for (std::int64_t row = 0; row < block.rows; ++row) {
            for (std::int64_t i = block.columns; i < block.stride; ++i) a_.data()[row * block.stride + i] = NAN;
        }
    }

    // Returns whether all zeros have the signs of the naive twin's zeros. distance() does not compare these signs.
    bool same_signs(const AlignedFloats& result) const {
        for (std::int64_t row = 0; row < block_.rows; ++row) {
            for (std::int64_t i = row * block_.stride; i < row * block_.stride + block_.columns; ++i) {
                if (result.data()[i] == 0.0F && std::signbit(result.data()[i]) != std::signbit(expected_.data()[i]))
                    return false;
            }
        }
        return true;
    }

    Block block_;
    bool rounded_;
    AlignedFloats a_, b_, bias_, before_, expected_;
    Product product_;
};

void check(int rows, int columns, int terms, Start start, bool turned) {
    const Sample sample(rows, columns, terms, start, turned);
    for (const Kernels* kernels : tested_kernels()) {
        const double gap = sample.distance(*kernels);
        if (!(gap <= tolerance(*kernels, terms))) {
            FAIL_CHECK(std::string(kernels->name), ": ", rows, "x", columns, "x", terms, ": ", gap);
        }
    }
}

}  // namespace

TEST_CASE("products equal their naive twin in all three uses") {
    for (const int rows : sizes()) {
        for (const int columns : sizes()) {
            const int terms = 1 + (rows * 31 + columns * 17) % kLargest;
            for (const Start start : {Start::bias, Start::accumulate, Start::scale}) {
                check(rows, columns, terms, start, columns % 2 == 0);
            }
        }
    }
}

TEST_CASE("a product of any number of terms continues its sum across blocks") {
    for (int terms = 1; terms <= kLargest; ++terms) {
        check(13, 35, terms, Start::accumulate, false);
        check(13, 35, terms, Start::bias, true);
    }
}

TEST_CASE("products in bfloat16 equal their naive twin bit for bit, on every instruction set") {
    const FlushDenormals flush;
    const std::vector<Kernels> tested = tested_bfloat16();
    for (int terms = 1; terms <= 200; ++terms) {
        for (const Kind kind : {Kind::usual, Kind::wide, Kind::tiny, Kind::huge, Kind::infinite, Kind::nan}) {
            const auto start = static_cast<Start>((terms + static_cast<int>(kind)) % 3);
            const Sample sample(1 + terms % 37, 1 + terms % 50, terms, start, terms % 2 == 0, true, kind);
            for (const Kernels& kernels : tested) {
                // Without fma, products of bfloat16 numbers are exact unless they overflow or underflow.
                if (!kernels.fma && (kind == Kind::tiny || kind == Kind::huge)) continue;
                INFO(kernels.name, ", ", terms, " terms, kind ", static_cast<int>(kind));
                CHECK(sample.distance(kernels) == 0.0);
            }
        }
    }
}

TEST_CASE("products with one row, as in the gradient of biases, equal their twin for every width") {
    for (int columns = 1; columns <= 300; ++columns) {
        for (const Start start : {Start::bias, Start::accumulate}) check(1, columns, 33, start, false);
    }
}
