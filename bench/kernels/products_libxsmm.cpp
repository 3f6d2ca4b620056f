// LIBXSMM's kernels, made at run time for one size each. It counts by columns, so it is asked for C^T = B^T A^T.
#include <libxsmm.h>

#include "products.hpp"

namespace ash_bench {

std::string libxsmm_version() { return std::string(LIBXSMM_VERSION) + " (" + libxsmm_get_target_arch() + ")"; }

Multiply libxsmm(const Problem& problem) {
    const auto narrow = [](std::int64_t size) { return static_cast<libxsmm_blasint>(size); };
    const bool transposed = problem.use == Use::weight_gradient;
    const libxsmm_blasint b_stride = narrow(problem.b.stride);
    const libxsmm_blasint a_stride = narrow(problem.a.stride);
    const libxsmm_blasint c_stride = narrow(problem.c.stride);
    const float alpha = 1.0F;
    const float beta = 0.0F;
    const int flags = transposed ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
    const int prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
    const libxsmm_smmfunction kernel =
        libxsmm_smmdispatch(narrow(problem.c.columns), narrow(problem.c.rows), narrow(problem.b.rows), &b_stride,
                            &a_stride, &c_stride, &alpha, &beta, &flags, &prefetch);
    if (kernel == nullptr) return {};
    const Matrix a = problem.a;
    const Matrix b = problem.b;
    const Matrix c = problem.c;
    return [=] { kernel(b.data, a.data, c.data); };
}

}  // namespace ash_bench
