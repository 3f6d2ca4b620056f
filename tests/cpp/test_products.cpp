// The product kernel against its naive twin: equal to the last bit with fma, for all pairs of sizes() in all three uses.
#include <doctest/doctest.h>

#include <string>

#include "kernel_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

// One product and the result of its naive twin, computed once for all instruction sets since the twin is slow.
class Sample {
  public:
    Sample(int rows, int columns, int terms, Start start, bool turned)
        : block_(block_of(rows, columns)),
          a_(random_block(turned ? block_of(terms, rows) : block_of(rows, terms), 1)),
          b_(random_block(block_of(terms, columns), 2)),
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
        kReference.product(product_);
    }

    // The distance of the result of the kernels from that of the naive twin.
    double distance(const Kernels& kernels) const {
        AlignedFloats result = before_;
        Product product = product_;
        product.c = result.data();
        kernels.product(product);
        return testing::distance(result, expected_, block_);
    }

  private:
    Block block_;
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

TEST_CASE("a product of every number of terms goes on where it was") {
    for (int terms = 1; terms <= kLargest; ++terms) {
        check(13, 35, terms, Start::accumulate, false);
        check(13, 35, terms, Start::bias, true);
    }
}

TEST_CASE("one row of every width, as the gradient of biases is") {
    for (int columns = 1; columns <= 300; ++columns) {
        for (const Start start : {Start::bias, Start::accumulate}) check(1, columns, 33, start, false);
    }
}
