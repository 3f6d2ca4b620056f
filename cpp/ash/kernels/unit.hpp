// unit.hpp: the function table of one instruction set. Each unit_*.cpp except unit_amx.cpp includes it
// and gives the table a name.
#pragma once

#include "ash/kernels/bfloat16.hpp"
#include "ash/kernels/elementwise.hpp"
#include "ash/kernels/losses.hpp"
#include "ash/kernels/parametric.hpp"
#include "ash/kernels/periodic.hpp"
#include "ash/kernels/product.hpp"
#include "ash/kernels/transpose.hpp"
#include "ash/kernels/update.hpp"

#define ASH_KERNELS_TABLE(variable, label)        \
    namespace ash {                               \
    extern const Kernels variable;                \
    const Kernels variable{label,                 \
                           kLanes,                \
                           kFused,                \
                           ::product,             \
                           ::product_bfloat16,    \
                           ::activate,            \
                           ::activate_parametric, \
                           ::delta_parametric,    \
                           ::drop,                \
                           ::softmax,             \
                           ::softmax_delta,       \
                           ::squared_error,       \
                           ::pinball,             \
                           ::poisson,             \
                           ::update,              \
                           ::transpose,           \
                           ::gather,              \
                           ::embed,               \
                           ::embed_gradient,      \
                           ::scale_rows,          \
                           ::scale_gradient,      \
                           ::finite,              \
                           ::standardize<double>, \
                           ::standardize<float>,  \
                           ::elementary,          \
                           ::peak};               \
    }
