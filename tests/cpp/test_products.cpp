// The product kernel against its naive twin: equal to the last bit with fma, for all pairs of sizes() in all three uses.
#include <doctest/doctest.h>

#include <string>

#include "kernel_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

double product_distance(const Kernels& kernels, int rows, int columns, int terms, Start start, bool turned) {
    const Block a_block = turned ? block_of(terms, rows) : block_of(rows, terms);
    const AlignedFloats a = random_block(a_block, 1);
    const AlignedFloats b = random_block(block_of(terms, columns), 2);
    const AlignedFloats bias = random_block(block_of(1, columns), 3);
    AlignedFloats fast = random_block(block_of(rows, columns), 4);
    AlignedFloats slow = fast;
    Product product{.a = a.data(),
                    .a_row = turned ? 1 : a_block.stride,
                    .a_column = turned ? a_block.stride : 1,
                    .b = b.data(),
                    .b_stride = padded(columns),
                    .c = fast.data(),
                    .c_stride = padded(columns),
                    .rows = rows,
                    .columns = columns,
                    .terms = terms,
                    .start = start,
                    .bias = start == Start::bias && terms % 2 == 0 ? bias.data() : nullptr};
    kernels.product(product);
    product.c = slow.data();
    kReference.product(product);
    return distance(fast, slow, block_of(rows, columns));
}

}  // namespace

TEST_CASE("products equal their naive twin in all three uses") {
    for (const Kernels* kernels : tested_kernels()) {
        CAPTURE(std::string(kernels->name));
        for (const int rows : sizes()) {
            for (const int columns : sizes()) {
                const int terms = 1 + (rows * 31 + columns * 17) % kLargest;
                for (const Start start : {Start::bias, Start::accumulate, Start::scale}) {
                    const double gap = product_distance(*kernels, rows, columns, terms, start, columns % 2 == 0);
                    if (!(gap <= tolerance(*kernels, terms))) FAIL_CHECK(rows, "x", columns, "x", terms, ": ", gap);
                }
            }
        }
    }
}

TEST_CASE("a product of every number of terms goes on where it was") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int terms = 1; terms <= kLargest; ++terms) {
            CHECK(product_distance(*kernels, 13, 35, terms, Start::accumulate, false) <= tolerance(*kernels, terms));
            CHECK(product_distance(*kernels, 13, 35, terms, Start::bias, true) <= tolerance(*kernels, terms));
        }
    }
}

TEST_CASE("one row of every width, as the gradient of biases is") {
    for (const Kernels* kernels : tested_kernels()) {
        for (int columns = 1; columns <= 300; ++columns) {
            for (const Start start : {Start::bias, Start::accumulate}) {
                CHECK(product_distance(*kernels, 1, columns, 33, start, false) <= tolerance(*kernels, 33));
            }
        }
    }
}
