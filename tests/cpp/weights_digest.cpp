// Compares a digest of the weights after a few short trainings with kGolden, on each instruction set with fma. The
// digest is the same for every compiler, optimization level, processor and operating system. The rows are computed with
// integers here, so they depend on no library.
//
// To update kGolden after an intended change of trained weights, build with preset release, run
// build/release/tests/cpp/weights_digest, copy the digest that it prints, and say in CHANGELOG.md what has changed.
#include <array>
#include <bit>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

#include "ash/kernels/kernels.hpp"
#include "ash/train/trainer.hpp"

namespace {

struct Golden {
    ash::Precision precision;
    std::uint64_t digest;
};
constexpr std::array<Golden, 2> kGolden{
    {{ash::Precision::fp32, 0x4b97309384bb0ac6}, {ash::Precision::bf16, 0x700d93adfb866723}}};

constexpr int kRows = 203;  // not a multiple of any batch size or block size
constexpr int kFeatures = 13;
constexpr int kClasses = 3;
constexpr int kTrainingRows = 150;
constexpr std::int64_t kEpochs = 4;
constexpr std::uint64_t kFnvOffset = 14695981039346656037U;
constexpr std::uint64_t kFnvPrime = 1099511628211U;

// Returns a number in 0..996 that varies irregularly with row and column and is exact in float and double.
double cell(int row, int column) { return (row * 7919 + column * 104729 + row * column * 31) % 997; }

ash::Data make_data(int classes) {
    std::vector<double> x;
    std::vector<double> y;
    for (int row = 0; row < kRows; ++row) {
        for (int column = 0; column < kFeatures; ++column) x.push_back(cell(row, column));
        y.push_back(classes > 0 ? row % classes : cell(row, kFeatures));
    }
    std::vector<std::int64_t> rows(kRows);
    std::iota(rows.begin(), rows.end(), 0);
    const std::span<const std::int64_t> all(rows);
    return {
        {x.data(), y.data(), kRows, kFeatures, 1, classes}, all.first(kTrainingRows), all.subspan(kTrainingRows), true};
}

// Returns settings that together use every activation, optimizer, initialization and part of the recipe, as well as
// dropout, decay and label smoothing.
std::vector<ash::Settings> make_settings() {
    using enum ash::Activation;
    std::vector<ash::Settings> all;
    for (int i = 0; i < 7; ++i) {
        ash::Settings settings;
        settings.hidden = {17 + i, 33};
        const std::vector first{relu, tanh, gelu, silu, identity, selu, mish};
        settings.activations = {first[static_cast<std::size_t>(i)], sigmoid};
        settings.optimizer = static_cast<ash::Optimizer>(i % 5);
        settings.learning_rate = 0.01;
        settings.batch_size = i == 0 ? 0 : 20 + i;
        settings.dropout = i % 2 == 0 ? 0.0 : 0.2;
        settings.l2 = i == 2 ? 1e-3 : 0.0;
        settings.weight_decay = i == 4 ? 1e-2 : 0.0;
        settings.embedding = i % 2 == 1 ? ash::Embedding::periodic : ash::Embedding::none;
        settings.input_scaling = i % 3 == 0;
        settings.parametric_activation = i % 4 >= 2;
        settings.parametrization = i >= 3 ? ash::Parametrization::ntk : ash::Parametrization::standard;
        all.push_back(settings);
    }
    return all;
}

std::uint64_t fold(std::uint64_t digest, std::uint32_t word) { return (digest ^ word) * kFnvPrime; }

std::uint64_t train(const ash::Data& data, const ash::Settings& settings, const ash::Kernels& kernels,
                    std::uint64_t digest) {
    ash::Workspace workspace(data, {&settings, 1});
    workspace.prepare(data, settings);
    ash::State state = ash::initial_state(data.shape(), settings, 5, 1);
    const ash::Training training{.epochs = kEpochs, .seed = 5, .candidate = 1};
    if (ash::train(data, settings, training, kernels, state, workspace).diverged) {
        throw std::runtime_error("a training diverged: its digest would say nothing");
    }
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(state.weights.size()); ++i) {
        digest = fold(digest, std::bit_cast<std::uint32_t>(state.weights.data()[i]));
    }
    return digest;
}

std::uint64_t digest_of(const ash::Kernels& kernels, ash::Precision precision) {
    std::uint64_t digest = kFnvOffset;
    for (const int classes : {kClasses, 0}) {
        const ash::Data data = make_data(classes);
        for (ash::Settings settings : make_settings()) {
            if (classes > 0) settings.label_smoothing = 0.1;
            settings.precision = precision;
            digest = train(data, settings, kernels, digest);
        }
    }
    return digest;
}

}  // namespace

int main() {
    bool any = false;
    bool equal = true;
    for (const ash::Kernels* kernels : ash::available_kernels()) {
        if (!kernels->fma) continue;
        for (const Golden& golden : kGolden) {
            const std::uint64_t digest = digest_of(*kernels, golden.precision);
            const char* precision = ash::name(golden.precision).data();
            std::fprintf(stderr, "%-12s %s %016" PRIx64 "\n", kernels->name, precision, digest);
            any = true;
            equal = equal && digest == golden.digest;
        }
    }
    if (!any) std::fputs("Nothing to compare: this processor has no instruction set with fma.\n", stderr);
    if (!equal) {
        std::fprintf(stderr, "The digests of the trained weights must be those of kGolden in %s.\n", __FILE__);
    }
    return equal ? 0 : 1;
}
