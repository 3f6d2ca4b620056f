// bench/products.cpp: matrix products of our kernel, Eigen and LIBXSMM, on one thread, beside the FMA peak.
//
//     bench_products USE INPUTS OUTPUTS ROUNDS BATCH...      USE: forward, weight_gradient or input_gradient
//
// Prints JSON: of each batch the peaks of all rounds in GFLOP/s, and the seconds a product of every library. Eigen and
// LIBXSMM are there if they were found when this was built. Each answer is compared with a naive product in double
// precision first. A round takes the peak, then the libraries in turn, each the best of a few short stretches; every
// other round goes backwards, so that a machine that changes its pace favours nobody.
#include "products.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ash/aligned.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/layout.hpp"
#include "ash/measure.hpp"

namespace ash_bench {
namespace {

constexpr double kPeakSeconds = 0.003;  // a stretch
constexpr double kStretchSeconds = 0.001;
constexpr int kStretches = 4;
constexpr std::int64_t kBlockTerms = 256;  // as training does it (cpp/ash/propagation.cpp)

struct Library {
    std::string name;
    Multiply multiply;
    std::vector<double> seconds;
};

// Owns the matrices of a problem; random, padding zero, as in training.
class Operands {
  public:
    Operands(Use use, std::int64_t batch, std::int64_t inputs, std::int64_t outputs) {
        const Matrix x = random(batch, inputs);
        const Matrix w = random(inputs, outputs);
        if (use == Use::forward) {
            problem_ = {use, x, w, {}, matrix(batch, outputs)};
        } else if (use == Use::weight_gradient) {
            problem_ = {use, x, random(batch, outputs), {}, matrix(inputs, outputs)};
        } else {
            problem_ = {use, random(batch, outputs), transposed(w), w, matrix(batch, inputs)};
        }
    }

    const Problem& problem() const { return problem_; }

  private:
    Matrix matrix(std::int64_t rows, std::int64_t columns) {
        const std::int64_t stride = ash::padded(columns);
        floats_.emplace_back(rows * stride);
        return {floats_.back().data(), rows, columns, stride};
    }

    Matrix random(std::int64_t rows, std::int64_t columns) {
        const Matrix made = matrix(rows, columns);
        std::uniform_real_distribution<float> between(-1.0F, 1.0F);
        for (std::int64_t row = 0; row < rows; ++row) {
            std::generate_n(made.data + row * made.stride, columns, [&] { return between(engine_); });
        }
        return made;
    }

    Matrix transposed(const Matrix& from) {
        const Matrix made = matrix(from.columns, from.rows);
        for (std::int64_t row = 0; row < from.rows; ++row) {
            for (std::int64_t column = 0; column < from.columns; ++column) {
                made.data[column * made.stride + row] = from.data[row * from.stride + column];
            }
        }
        return made;
    }

    std::mt19937 engine_{0};
    std::vector<ash::AlignedFloats> floats_;
    Problem problem_{};
};

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

#ifdef ASH_BENCH_EIGEN
// Eigen for the instruction set that our kernel takes.
Multiply eigen(const Problem& problem) {
#ifdef __x86_64__
    const std::string_view set = ash::kernels("").name;
    if (set == "x86-64-v4") return eigen_v4(problem);
    if (set == "x86-64-v3") return eigen_v3(problem);
#endif
    return eigen_baseline(problem);
}
#endif

// All that were built, those first that come first in a table; one without a kernel for this problem is left out.
std::vector<Library> libraries(const Problem& problem) {
    std::vector<Library> all;
    const auto add = [&](const char* name, Multiply multiply) {
        if (multiply) all.push_back({name, std::move(multiply), {}});
    };
    add("ash", ours(problem));
#ifdef ASH_BENCH_EIGEN
    add("eigen", eigen(problem));
#endif
#ifdef ASH_BENCH_LIBXSMM
    add("libxsmm", libxsmm(problem));
#endif
    return all;
}

struct Sum {
    double value;
    double magnitude;  // sum of the magnitudes of its terms
};

// The definition, in double precision: [rows][columns] of C.
std::vector<Sum> definition(const Problem& problem) {
    const bool transposed = problem.use == Use::weight_gradient;
    const Matrix& a = problem.a;
    const Matrix& b = problem.b;
    const Matrix& c = problem.c;
    std::vector<Sum> sums(static_cast<std::size_t>(c.rows * c.columns));
    for (std::int64_t row = 0; row < c.rows; ++row) {
        Sum* of_row = sums.data() + row * c.columns;
        for (std::int64_t k = 0; k < b.rows; ++k) {
            const double factor = transposed ? a.data[k * a.stride + row] : a.data[row * a.stride + k];
            for (std::int64_t column = 0; column < c.columns; ++column) {
                const double term = factor * static_cast<double>(b.data[k * b.stride + column]);
                of_row[column].value += term;
                of_row[column].magnitude += std::abs(term);
            }
        }
    }
    return sums;
}

// Throws unless C is right: K products added in single precision, in whatever order, are off by K roundings at most.
void check(const Problem& problem, const std::vector<Sum>& sums, const Library& library) {
    constexpr double kRounding = std::numeric_limits<float>::epsilon() / 2.0;
    const double roundings = 1.01 * static_cast<double>(problem.b.rows + 1);
    const Matrix& c = problem.c;
    std::fill_n(c.data, c.rows * c.stride, std::numeric_limits<float>::quiet_NaN());
    library.multiply();
    for (std::int64_t row = 0; row < c.rows; ++row) {
        for (std::int64_t column = 0; column < c.columns; ++column) {
            const Sum& sum = sums[static_cast<std::size_t>(row * c.columns + column)];
            const double off = std::abs(static_cast<double>(c.data[row * c.stride + column]) - sum.value);
            if (off <= roundings * kRounding * sum.magnitude) continue;
            std::ostringstream sentence;
            sentence << library.name << ": element " << row << ", " << column << " of a product " << c.rows << " x "
                     << c.columns << " of " << problem.b.rows << " terms is off by " << off << ": nothing to time";
            throw std::runtime_error(sentence.str());
        }
    }
}

double seconds_of(const Multiply& multiply, std::int64_t repeats) {
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t repeat = 0; repeat < repeats; ++repeat) multiply();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Seconds a product: the best of some stretches, each long enough for the clock.
double best_seconds(const Multiply& multiply) {
    std::int64_t repeats = 1;
    while (seconds_of(multiply, repeats) < kStretchSeconds) repeats *= 2;
    double best = std::numeric_limits<double>::infinity();
    for (int stretch = 0; stretch < kStretches; ++stretch) best = std::min(best, seconds_of(multiply, repeats));
    return best / static_cast<double>(repeats);
}

// GFLOP/s: likewise the best of some stretches, so that one that was disturbed does not count.
double peak() {
    double best = 0.0;
    for (int stretch = 0; stretch < kStretches; ++stretch) {
        best = std::max(best, ash::fma_peak(ash::kernels(""), kPeakSeconds));
    }
    return best;
}

std::string json(const std::vector<double>& values) {
    std::ostringstream out;
    for (const double value : values) out << (out.tellp() > 0 ? ", " : "") << value;
    return "[" + out.str() + "]";
}

std::string measure(const Problem& problem, std::int64_t batch, int rounds) {
    std::vector<Library> all = libraries(problem);
    const std::vector<Sum> sums = definition(problem);
    for (const Library& library : all) check(problem, sums, library);
    std::vector<double> peaks;
    for (int round = 0; round < rounds; ++round) {
        peaks.push_back(peak());
        for (Library& library : all) library.seconds.push_back(best_seconds(library.multiply));
        std::ranges::reverse(all);
    }
    std::string seconds;
    for (const Library& library : all) {
        seconds += (seconds.empty() ? "\"" : ", \"") + library.name + "\": " + json(library.seconds);
    }
    return R"({"batch": )" + std::to_string(batch) + R"(, "peaks": )" + json(peaks) + R"(, "seconds": {)" + seconds +
           "}}";
}

std::string versions() {
    std::string found = std::string(R"("instruction_set": ")") + ash::kernels("").name + '"';
#ifdef ASH_BENCH_EIGEN
    found += R"(, "eigen": ")" ASH_BENCH_EIGEN R"(")";
#endif
#ifdef ASH_BENCH_LIBXSMM
    found += R"(, "libxsmm": ")" + libxsmm_version() + '"';
#endif
    return found;
}

Use use_of(std::string_view name) {
    if (name == "forward") return Use::forward;
    if (name == "weight_gradient") return Use::weight_gradient;
    if (name == "input_gradient") return Use::input_gradient;
    throw std::invalid_argument("USE is forward, weight_gradient or input_gradient");
}

void run(const std::vector<std::string>& arguments) {
    if (arguments.size() < 5) throw std::invalid_argument("give USE INPUTS OUTPUTS ROUNDS BATCH...");
    const auto number = [&](std::size_t index) {
        const std::string& word = arguments[index];
        int value = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
        if (error == std::errc{} && end == word.data() + word.size() && value >= 1) return value;
        throw std::invalid_argument("'" + word +
                                    "' is not allowed; INPUTS, OUTPUTS, ROUNDS, BATCH are positive integers");
    };
    const Use use = use_of(arguments[0]);
    std::string products;
    for (std::size_t index = 4; index < arguments.size(); ++index) {
        const Operands operands(use, number(index), number(1), number(2));
        products += (products.empty() ? "" : ",\n ") + measure(operands.problem(), number(index), number(3));
    }
    std::cout << "{" << versions() << ", \"products\": [\n " << products << "]}\n";
}

}  // namespace
}  // namespace ash_bench

int main(int count, char** arguments) {
    try {
        ash_bench::run({arguments + 1, arguments + count});
    } catch (const std::exception& error) {
        std::cerr << "bench_products: " << error.what() << "\n";
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
