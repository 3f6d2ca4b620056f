// Tests targets (units and bounds of outputs, logarithms, losses of a regression) and sparse rows.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/data/output_units.hpp"
#include "ash/data/random.hpp"
#include "ash/data/sparse_rows.hpp"
#include "ash/train/evaluation.hpp"
#include "ash/train/network.hpp"
#include "ash/train/trainer.hpp"
#include "ash/train/training_job.hpp"
#include "training_data.hpp"

namespace {

using namespace ash;

constexpr int kRows = 150;
constexpr int kFeatures = 20;
constexpr std::int64_t kCells = kRows * kFeatures / 10;  // room for half of the non-zero cells, so it must be enlarged

struct Given {
    std::vector<double> x;  // mostly zeros
    std::vector<double> y;  // positive numbers
    std::vector<std::int64_t> training;
    std::vector<std::int64_t> validation;

    Given() {
        for (std::uint32_t row = 0; row < kRows; ++row) {
            double sum = 0.0;
            for (std::uint32_t f = 0; f < kFeatures; ++f) {
                const Words words = philox({row, f, 0, 0}, 3);
                x.push_back(unit_float(words[0]) < 0.8F ? 0.0 : 2.0 * unit_float(words[1]) - 1.0);
                sum += x.back();
            }
            y.push_back(std::exp(sum) + 0.125);
            (row % 5 == 0 ? validation : training).push_back(row);
        }
        std::ranges::reverse(training);  // the training rows are not listed in the order of the table
    }
};

Data built(const Given& given, TargetLoss loss, std::int64_t sparse_cells = 0) {
    DataBuilder builder(kFeatures, {given.y.data(), kRows, 1, 0, loss}, {given.training}, {given.validation},
                        std::vector<bool>(kFeatures, true), 0, sparse_cells);
    builder.observe(given.x.data(), kRows);
    builder.fill(given.x.data(), kRows);
    return builder.finish();
}

struct Trained {
    State state;
    std::vector<double> losses;
    Evaluation found;
    std::vector<float> predictions;  // predictions for the validation rows
};

Trained trained(const Data& data, const Settings& settings, Metric metric) {
    Trained result{initial_state(data.shape(), settings, 1, 2), std::vector<double>(4), {}, {}};
    Workspace workspace(data, {&settings, 1});
    train(data, settings, {.epochs = 4, .seed = 1, .candidate = 2, .losses = result.losses}, kernels(""), result.state,
          workspace);
    result.predictions.resize(static_cast<std::size_t>(data.validation().count));
    result.found =
        evaluate(data, settings, result.state, metric, kernels(""), nullptr, workspace, result.predictions.data());
    return result;
}

std::vector<float> predicted(const Network& network, const Given& given) {
    std::vector<double> x;
    for (const std::int64_t row : given.validation) {
        const auto first = given.x.begin() + row * kFeatures;
        x.insert(x.end(), first, first + kFeatures);
    }
    std::vector<float> results(given.validation.size());
    CHECK(network.predict(x.data(), std::ssize(results), 1, kernels(""), results.data()));
    return results;
}

}  // namespace

TEST_CASE("outputs are converted to targets and clamped to their bounds") {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    OutputUnits units{Link::identity, {{1.0, 2.0}, {3.0, 0.5}, {0.0, 0.0}}, {-5.0, 0.0}, {7.0, 100.0}};
    const std::vector<float> outputs{1.0F, 4.0F, 0, -9.0F, -6.0F, 0, 9.0F, kNan, 0, 500.0F, -500.0F, 0};
    const auto targets = [&] {
        std::vector<float> copy = outputs;
        std::vector<double> found;
        to_targets(kernels(""), units, copy.data(), 4, 3,
                   [&](std::int64_t, std::int64_t, double target) { found.push_back(target); });
        return found;
    };
    const std::vector<double> plain = targets();
    CHECK(std::vector(plain.begin(), plain.begin() + 5) == std::vector{4.0, 4.0, -5.0, 0.0, 7.0});
    CHECK(std::isnan(plain[5]));
    units.link = Link::exp;
    units.most = {1e30, std::numeric_limits<double>::infinity()};
    const std::vector<double> exponential = targets();
    CHECK(exponential[0] == doctest::Approx(std::exp(3.0)));
    CHECK(exponential[1] == doctest::Approx(2.0 * std::exp(2.0)));
    CHECK(exponential[3] == doctest::Approx(2.0 * std::exp(-3.0)));
    CHECK(std::isnan(exponential[5]));
    CHECK(exponential[6] == 1e30);
    CHECK(exponential[7] > 0.0);
}

TEST_CASE("predictions have a lower bound if no training target is negative, and exponentials also an upper bound") {
    const Given given;
    double least = 1e9;
    double most = 0.0;
    for (const std::int64_t row : given.training) {
        least = std::min(least, given.y[static_cast<std::size_t>(row)]);
        most = std::max(most, given.y[static_cast<std::size_t>(row)]);
    }
    const Data plain = built(given, {});
    CHECK(plain.output_units().least.front() == least);
    CHECK(plain.output_units().most.front() == std::numeric_limits<double>::infinity());
    REQUIRE(plain.has_logarithms());
    CHECK(plain.output_units(true).least.front() == least);
    CHECK(plain.output_units(true).most.front() == 2.0 * most);
    double sum = 0.0;
    double squares = 0.0;
    for (const float logarithm : plain.training().log_targets) {
        sum += logarithm;
        squares += logarithm * logarithm;
    }
    CHECK(sum == doctest::Approx(0.0).epsilon(1e-4));
    CHECK(squares / static_cast<double>(given.training.size()) == doctest::Approx(1.0).epsilon(1e-4));
    const OutputUnits& units = plain.output_units(true);
    for (std::size_t i = 0; i < given.training.size(); ++i) {
        const double y = given.y[static_cast<std::size_t>(given.training[i])];
        const double target =
            units.scaling.center[0] * std::exp(units.scaling.scale[0] * plain.training().log_targets[i]);
        CHECK(target == doctest::Approx(y).epsilon(1e-5));
    }
    const Data counts = built(given, {Loss::poisson});
    CHECK(!counts.has_logarithms());
    CHECK(counts.output_units().link == Link::exp);
    CHECK(counts.output_units().most.front() == 2.0 * most);
    Given other = given;
    for (double& target : other.y) target -= 0.5;
    CHECK(!built(other, {}).has_logarithms());
    CHECK(built(other, {}).output_units().least.front() == -std::numeric_limits<double>::infinity());
}

TEST_CASE("a score equals the score of the network's predictions, for each loss and for logarithms") {
    const Given given;
    for (const TargetLoss loss : {TargetLoss{}, TargetLoss{Loss::pinball, 0.9}, TargetLoss{Loss::poisson}}) {
        for (const TargetTransform transform : {TargetTransform::none, TargetTransform::log}) {
            for (const std::int64_t batch_size : {0, 16}) {
                if (loss.kind == Loss::poisson && transform == TargetTransform::log) continue;
                const Data data = built(given, loss);
                Settings settings = ash::testing::settings_of(Optimizer::adam, batch_size);
                settings.target_transform = transform;
                const Trained result = trained(data, settings, Metric::mae);
                const Network network(result.state, data);
                const std::vector<float> targets = predicted(network, given);
                double errors = 0.0;
                for (std::size_t i = 0; i < targets.size(); ++i) {
                    const auto row = static_cast<std::size_t>(given.validation[i]);
                    errors += std::abs(targets[i] - given.y[row]);
                    CHECK(result.predictions[i] == targets[i]);
                    CHECK(targets[i] >= static_cast<float>(data.output_units().least.front()));
                }
                CHECK(result.found.score ==
                      doctest::Approx(-errors / static_cast<double>(targets.size())).epsilon(1e-4));
                CHECK(result.losses.back() < result.losses.front());
            }
        }
    }
}

TEST_CASE("logarithms of targets that are not positive are refused") {
    Settings settings = ash::testing::settings_of(Optimizer::adam, 16);
    settings.target_transform = TargetTransform::log;
    const Given given;
    CHECK_NOTHROW(check_fits(settings, built(given, {})));
    CHECK_THROWS_AS(check_fits(settings, built(given, {Loss::poisson})), std::invalid_argument);
    CHECK_THROWS_AS(check_fits(settings, ash::testing::make_data(40, 3, 2)), std::invalid_argument);
    CHECK_THROWS_AS(check_fits(settings, ash::testing::make_data(40, 3, 0, 2)), std::invalid_argument);
}

TEST_CASE("sparse rows give the same training and score as dense rows") {
    const Given given;
    for (const Loss loss : {Loss::squared_error, Loss::poisson}) {
        const Data dense = built(given, {loss});
        const Data sparse = built(given, {loss}, kCells);
        CHECK((sparse.is_sparse() && !dense.is_sparse()));
        CHECK(sparse.training().x.size() == 0);
        CHECK(sparse.training().sparse.values.size() < given.training.size() * kFeatures / 2);
        std::vector<float> block(static_cast<std::size_t>(3 * dense.training().stride));
        const float* rows = sparse.training().block(5, 3, block.data());
        CHECK(std::equal(block.begin(), block.end(), dense.training().block(5, 3, nullptr)));
        CHECK(rows == block.data());
        const Settings settings = ash::testing::settings_of(Optimizer::adam, 16);
        const Trained one = trained(dense, settings, Metric::r2);
        const Trained other = trained(sparse, settings, Metric::r2);
        CHECK(std::ranges::equal(
            std::span(one.state.weights.data(), static_cast<std::size_t>(one.state.weights.size())),
            std::span(other.state.weights.data(), static_cast<std::size_t>(other.state.weights.size()))));
        CHECK(one.losses == other.losses);
        CHECK(one.found.score == other.found.score);
        CHECK_THROWS_AS(check_fits(ash::testing::settings_of(Optimizer::adam, 0), sparse), std::invalid_argument);
    }
}

TEST_CASE("sparse rows may arrive in any order, and -0 is kept") {
    SparseRows rows(3);
    CHECK((SparseRows().unused() && !rows.unused()));
    rows.put(2, std::array{0.0F, 5.0F, -0.0F, 6.0F});
    rows.put(0, std::array{1.0F, 0.0F, 0.0F, 0.0F});
    rows.put(1, std::array{0.0F, 0.0F, 0.0F, 0.0F});
    CHECK(rows.values == std::vector{5.0F, -0.0F, 6.0F, 1.0F});
    std::vector<float> to(8, 9.0F);
    rows.expand(2, 8, to.data());
    CHECK(to == std::vector{0.0F, 5.0F, -0.0F, 6.0F, 0.0F, 0.0F, 0.0F, 0.0F});
    CHECK(std::signbit(to[2]));
    rows.expand(1, 8, to.data());
    CHECK(to == std::vector<float>(8, 0.0F));
}

TEST_CASE("losses, logarithms and sparse rows give the same bits on every instruction set with fma, cut and weighted") {
    const Given given;
    std::vector<double> weights;
    for (std::size_t i = 0; i < given.training.size(); ++i) weights.push_back(1.0 + static_cast<double>(i % 3));
    for (const bool logarithms : {false, true}) {
        for (const Loss loss : {Loss::squared_error, Loss::pinball, Loss::poisson}) {
            if (logarithms && loss == Loss::poisson) continue;
            for (const std::int64_t cells : {std::int64_t{0}, kCells}) {
                DataBuilder builder(kFeatures, {given.y.data(), kRows, 1, 0, {loss, 0.9}}, {given.training, weights},
                                    {given.validation}, std::vector<bool>(kFeatures, true), 50, cells);
                builder.observe(given.x.data(), kRows);
                builder.fill(given.x.data(), kRows);
                const Data data = builder.finish();
                Settings settings = ash::testing::settings_of(Optimizer::adam, 16);
                if (logarithms) settings.target_transform = TargetTransform::log;
                std::vector<std::uint64_t> digests;
                for (const Kernels* kernels : available_kernels()) {
                    if (std::string_view(kernels->name) == "baseline") continue;
                    State state = initial_state(data.shape(), settings, 1, 2);
                    std::vector<double> losses(6);
                    Workspace workspace(data, {&settings, 1});
                    train(data, settings, {.epochs = 6, .seed = 1, .candidate = 2, .losses = losses}, *kernels, state,
                          workspace);
                    digests.push_back(digest_of(state));
                }
                CHECK(std::ranges::adjacent_find(digests, std::ranges::not_equal_to{}) == digests.end());
            }
        }
    }
}

TEST_CASE("targets whose ratios exceed float32 have no logarithms") {
    Given given;
    for (std::size_t row = 0; row < given.y.size(); ++row) given.y[row] *= row % 2 == 0 ? 1e15 : 1e-15;
    const Data within = built(given, {});
    CHECK(within.has_logarithms());
    CHECK(std::ranges::all_of(within.training().log_targets, [](float z) { return std::isfinite(z); }));
    for (std::size_t row = 0; row < given.y.size(); ++row) given.y[row] *= row % 2 == 0 ? 1e10 : 1e-10;
    CHECK(!built(given, {}).has_logarithms());
}
