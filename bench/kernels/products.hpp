// products.hpp: a matrix product in the form in which it is passed to each library.
//
//     use                 C [rows][columns]   A                       B
//     forward             Y [batch][out]      X [batch][in]           W [in][out]
//     weight gradient     G [in][out]         X [batch][in], as X^T   D [batch][out]
//     input gradient      E [batch][in]       D [batch][out]          W^T [out][in], or W [in][out]
//
// Rows are aligned to 64 bytes, and padded if their length is a power of two (ash/data/shape.hpp). This helps libraries
// that do not pack, and harms no other. For the input gradient, libraries that can read a transposed matrix get W.
#pragma once

#include <cstdint>
#include <functional>

namespace ash_bench {

enum class Use : int { forward, weight_gradient, input_gradient };

struct Matrix {
    float* data;
    std::int64_t rows;
    std::int64_t columns;
    std::int64_t stride;  // floats between the starts of two rows
};

struct Problem {  // _Problem in bench/kernels/products.py has the same layout
    Use use;
    Matrix a;
    Matrix b;             // B above: W^T for the input gradient
    Matrix b_transposed;  // W for the input gradient; otherwise unused
    Matrix c;
};

// Each call stores the product in C. The function is empty if the library has no kernel for the problem.
using Multiply = std::function<void()>;

}  // namespace ash_bench
