// Matrix products by ash's kernel and by LIBXSMM, which bench/kernels/products.py calls through ctypes. LIBXSMM is
// included only if CMake found it.
#include "products.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "ash/data/shape.hpp"
#include "ash/kernels/kernels.hpp"

#ifdef ASH_BENCH_LIBXSMM
#include <libxsmm.h>
#endif

namespace ash_bench {
namespace {

constexpr std::int64_t kBlockTerms = 256;  // batch rows per call for a weight gradient, as in workspace.hpp

Multiply ours(const Problem& problem) {
    const bool transposed = problem.use == Use::weight_gradient;
    ash::Product whole{.a = problem.a.data,
                       .a_row = transposed ? 1 : problem.a.stride,
                       .a_column = transposed ? problem.a.stride : 1,
                       .b = problem.b.data,
                       .b_stride = problem.b.stride,
                       .c = problem.c.data,
                       .c_stride = problem.c.stride,
                       .rows = problem.c.rows,
                       .columns = problem.c.columns,
                       .terms = problem.b.rows};
    const ash::Kernels& kernels = ash::kernels("");
    if (!transposed) return [=, &kernels] { kernels.product(whole); };
    return [=, &kernels] {
        for (std::int64_t first = 0; first < whole.terms; first += kBlockTerms) {
            ash::Product part = whole;
            part.a += first * whole.a_column;
            part.b += first * whole.b_stride;
            part.terms = std::min(kBlockTerms, whole.terms - first);
            part.start = first == 0 ? ash::Start::bias : ash::Start::accumulate;
            kernels.product(part);
        }
    };
}

#ifdef ASH_BENCH_LIBXSMM
// LIBXSMM generates one kernel per size at run time. It is column-major, so it is asked for C^T = B^T A^T.
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
#endif

Multiply multiply_of(std::string_view library, const Problem& problem) {
    if (library == "ash") return ours(problem);
#ifdef ASH_BENCH_LIBXSMM
    if (library == "libxsmm") return libxsmm(problem);
#endif
    return {};
}

}  // namespace
}  // namespace ash_bench

extern "C" {

// Returns the version of a library; empty if the library was not found.
const char* bench_version(const char* library) {
    static std::string version;
    version.clear();
    const std::string_view name(library);
    if (name == "ash") version = std::string("kernel of ") + ash::kernels("").name;
#ifdef ASH_BENCH_LIBXSMM
    if (name == "libxsmm") version = std::string(LIBXSMM_VERSION) + " (" + libxsmm_get_target_arch() + ")";
#endif
    return version.c_str();
}

std::int64_t bench_padded(std::int64_t columns) { return ash::padded(columns); }

// Multiplies `repeats` times. Returns false if the library has no kernel for this problem.
bool bench_multiply(const char* library, const ash_bench::Problem* problem, std::int64_t repeats) {
    const ash_bench::Multiply multiply = ash_bench::multiply_of(library, *problem);
    if (!multiply) return false;
    for (std::int64_t repeat = 0; repeat < repeats; ++repeat) multiply();
    return true;
}
}
