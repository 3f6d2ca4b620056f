// products.hpp: a product of matrices as all libraries get it, and those libraries.
//
//     use                 C [rows][columns]   A                       B
//     forward             Y [batch][out]      X [batch][in]           W [in][out]
//     weight gradient     G [in][out]         X [batch][in], by rows  D [batch][out]
//     input gradient      E [batch][in]       D [batch][out]          W^T [out][in], or W [in][out]
//
// All rows start on 64 bytes, a little apart where their length is a power of two (ash/data/shape.hpp): good for libraries
// that do not pack, no harm to those that do. Libraries that multiply by a transposed matrix as it lies get W.
#pragma once

#include <cstdint>
#include <functional>

namespace ash_bench {

enum class Use : int { forward, weight_gradient, input_gradient };

struct Matrix {
    float* data;
    std::int64_t rows;
    std::int64_t columns;
    std::int64_t stride;  // floats from row to row
};

struct Problem {  // bench/kernels/products.py has it too
    Use use;
    Matrix a;
    Matrix b;             // input gradient: W^T
    Matrix b_transposed;  // input gradient: W; else nothing
    Matrix c;
};

// C := the product, again at each call; empty: the library has no kernel for it
using Multiply = std::function<void()>;

}  // namespace ash_bench
