#include "ash/measure.hpp"

#include <algorithm>
#include <chrono>

#include "ash/trainer.hpp"

namespace ash {
namespace {

template <typename Function>
double seconds_of(Function function) {
    const auto start = std::chrono::steady_clock::now();
    function();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double fma_peak(const Kernels& kernels, double seconds) {
    constexpr std::int64_t kVectors = 24 * 100'000;
    constexpr int kOperations = 2;  // a multiplication and an addition
    double best = 0.0;
    double spent = 0.0;
    volatile float sink = 0.0F;  // or the compiler could drop the work
    while (spent < seconds) {
        const double run = seconds_of([&] { sink = sink + kernels.peak(kVectors); });
        best = std::max(best, kOperations * static_cast<double>(kVectors) * kernels.lanes / run);
        spent += run;
    }
    return best / 1e9;
}

std::vector<double> time_steps(const Data& data, const Settings& settings, std::int64_t steps, int repeats,
                               const Kernels& kernels) {
    const std::int64_t batch = batch_rows(settings, data.training().count);
    const std::int64_t epoch = (data.training().count + batch - 1) / batch;
    const Training training{.epochs = (steps + epoch - 1) / epoch, .seed = 0, .candidate = 0};
    State state = initial_state(data.features(), data.outputs(), settings, training.seed, training.candidate);
    Workspace workspace(data, {&settings, 1});
    std::vector<double> times;
    for (int repeat = 0; repeat < repeats; ++repeat) {
        const double run = seconds_of([&] { train(data, settings, training, kernels, state, workspace); });
        times.push_back(run / static_cast<double>(training.epochs * epoch));
    }
    return times;
}

}  // namespace ash
