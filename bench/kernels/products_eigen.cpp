// Eigen's product, once for each instruction set: ASH_BENCH_SET names it (CMakeLists.txt).
//
// The linker keeps one of all functions of a name, so Eigen's namespace takes the name of the set too: else a set would
// run what was compiled for another.
#define ASH_BENCH_JOIN_(first, second) first##second
#define ASH_BENCH_JOIN(first, second) ASH_BENCH_JOIN_(first, second)
#define EIGEN_DONT_PARALLELIZE
#define Eigen ASH_BENCH_JOIN(Eigen_, ASH_BENCH_SET)
#include <Eigen/Core>

#define ASH_BENCH_EIGEN ""
#include "products.hpp"

namespace ash_bench {
namespace {

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Map = Eigen::Map<Rows, Eigen::Unaligned, Eigen::OuterStride<>>;

Map map(const Matrix& matrix) {
    return {matrix.data, matrix.rows, matrix.columns, Eigen::OuterStride<>(matrix.stride)};
}

}  // namespace

Multiply ASH_BENCH_JOIN(eigen_, ASH_BENCH_SET)(const Problem& problem) {
    const Matrix a = problem.a;
    const Matrix b = problem.use == Use::input_gradient ? problem.b_transposed : problem.b;
    const Matrix c = problem.c;
    switch (problem.use) {
        case Use::forward:
            return [=] { map(c).noalias() = map(a) * map(b); };
        case Use::weight_gradient:
            return [=] { map(c).noalias() = map(a).transpose() * map(b); };
        case Use::input_gradient:
            return [=] { map(c).noalias() = map(a) * map(b).transpose(); };
    }
    return {};
}

}  // namespace ash_bench
