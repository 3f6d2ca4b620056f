// Reads settings and a small table from fuzzed bytes. Either they are refused, or a network is trained, scored and used
// for predictions.
//
//     cmake --preset fuzz && cmake --build --preset fuzz
//     build/fuzz/tests/cpp/fuzz_training -max_total_time=60 build/fuzz/training tests/cpp/fuzz/corpus/training

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/cost.hpp"
#include "ash/train/network.hpp"
#include "ash/train/training_job.hpp"
#include "fuzz/choices.hpp"

namespace {

using namespace ash;
using ash::fuzzing::accepted;
using ash::fuzzing::Choices;

constexpr int kRows = 30;
constexpr std::int64_t kLargest = 1 << 15;  // maximum number of floats in a network that is trained

Data make_data(Choices& choices) {
    const bool strange = choices.below(4) == 3;
    const int features = choices.rarely() ? choices.pick({0, -1, 18, kMostColumns + 1}) : choices.pick({1, 3, 16, 17});
    const int classes = choices.rarely() ? choices.integer<int>() : choices.pick({2, 0, 3});
    const int targets = classes == 0 ? 1 + choices.below(3) : 1;
    const std::vector<double> x = choices.numbers(kRows * 17, strange);
    std::vector<double> y = choices.numbers(kRows * 3, strange);
    for (int row = 0; classes != 0 && row < kRows; ++row) y[static_cast<std::size_t>(row)] = row % 2;
    std::vector<std::int64_t> training(20);
    std::vector<std::int64_t> validation(10);
    std::iota(training.begin(), training.end(), 0);
    std::iota(validation.begin(), validation.end(), 20);
    if (choices.rarely()) training[3] = choices.integer<std::int64_t>();
    const std::vector<double> weights = choices.coin() ? choices.numbers(20, true) : std::vector<double>{};
    std::vector<bool> standardized(static_cast<std::size_t>(features > 0 && features <= 17 ? features : 3), true);
    standardized[0] = choices.coin();
    const std::int64_t epoch_rows = choices.rarely() ? choices.integer<std::int64_t>() : choices.pick({0, 7});
    const TargetLoss loss{choices.option<Loss>(3), choices.rarely() ? choices.numbers(1, true)[0] : 0.9};
    if (loss.kind == Loss::poisson && choices.below(4) > 0) {
        for (double& target : y) target = std::abs(target);
    }
    DataBuilder builder(features, {y.data(), kRows, targets, classes, loss}, {training, weights}, {validation},
                        standardized, epoch_rows, choices.pick({0, 1, 500}));
    builder.observe(x.data(), kRows);
    builder.fill(x.data(), kRows);
    return builder.finish();
}

Metric metric_of_targets(Choices& choices, const Data& data) {
    constexpr int kFirst = static_cast<int>(Metric::r2);
    return static_cast<Metric>(kFirst + choices.below(data.loss().kind == Loss::poisson ? 5 : 4));
}

void train(Choices& choices) {
    const Data data = make_data(choices);
    const Settings settings = choices.settings();
    check(settings);
    check_fits(settings, data);
    const Layout layout(data.shape(), settings);
    if (!std::isfinite(job_cost(layout, kRows, kRows, 1))) std::abort();
    if (layout.size() > kLargest) return;
    const auto sets = available_kernels();
    const Kernels& kernels = *sets[static_cast<std::size_t>(choices.below(static_cast<int>(sets.size())))];
    const JobRules rules{.kernels = kernels,
                         .seed = choices.integer<std::uint64_t>(),
                         .continuation = choices.option<Continuation>(2),
                         .metric = data.classes() > 0 ? choices.option<Metric>(8) : metric_of_targets(choices, data)};
    Workspace scratch(data, {&settings, 1});
    JobRun run{.data = data, .settings = settings, .rules = rules, .job = {0, choices.below(3), 1}, .scratch = scratch};
    State state = run.initial();
    const Result result = run.train_and_score(state);
    if (is_diverged(result.score, result.loss)) return;
    const Network network(state, data);
    std::vector<float> predictions(kRows * static_cast<std::size_t>(network.outputs()));
    const std::vector<double> rows = choices.numbers(kRows * data.features(), choices.coin());
    network.predict(rows.data(), kRows, 1, kernels, predictions.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Choices choices(bytes, size);
    accepted([&] { train(choices); });
    return 0;
}
