// Tests that an epoch allocates nothing. These tests are a separate executable because allocations.cpp replaces
// operator new, which conflicts with sanitizers.
#include <doctest/doctest.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "ash/train/evaluation.hpp"
#include "ash/train/trainer.hpp"
#include "recipe_help.hpp"
#include "training_data.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

// Returns the number of allocations during a job and its scoring, in a workspace already used for another job and
// score.
std::int64_t allocated(const Data& data, const Settings& settings, std::int64_t epochs) {
    Workspace workspace(data, {&settings, 1});
    State state = initial_state(data.shape(), settings, 0, 0);
    std::int64_t before = 0;
    for (const std::int64_t next : {std::int64_t{1}, epochs}) {
        before = allocations();
        train(data, settings, {.epochs = next, .seed = 0, .candidate = 0}, kernels(""), state, workspace);
        evaluate(data, settings, state, data.classes() > 0 ? Metric::accuracy : Metric::r2, kernels(""), nullptr,
                 workspace);
    }
    return allocations() - before;
}

// Returns the bytes that a call allocates, whether or not it frees them.
template <typename Call>
std::int64_t bytes_of(Call call) {
    const std::int64_t before = allocated_bytes();
    call();
    return allocated_bytes() - before;
}

template <typename... Buffers>
std::int64_t sum_of(const Buffers&... buffers) {
    return ((static_cast<std::int64_t>(buffers.size()) * static_cast<std::int64_t>(sizeof(*buffers.data()))) + ...);
}

std::int64_t held_bytes(const Workspace& w) {
    return sum_of(w.inputs, w.outputs, w.deltas, w.slopes, w.excesses, w.targets, w.numbers, w.embedded, w.input_deltas,
                  w.copies, w.gradient, w.losses, w.predictions, w.labels, w.weights, w.order);
}

std::int64_t bytes_to_score(Metric metric, const Data& data, const Settings& settings) {
    Workspace workspace(data, {&settings, 1});
    const State state = initial_state(data.shape(), settings, 0, 0);
    return bytes_of([&] { evaluate(data, settings, state, metric, kernels(""), nullptr, workspace); });
}

}  // namespace

TEST_CASE("neither an epoch nor a score allocates memory") {
    for (const auto& [classes, weighted] : {std::pair{0, false}, {4, false}, {0, true}, {4, true}}) {
        const Data plain = make_data(500, 9, classes, 2, weighted);
        const Data mixed = make_mixed_data(500, classes, weighted);
        for (const std::int64_t batch : {0, 1, 32}) {
            const Settings settings = settings_of(Optimizer::adam, batch);
            // All allocations happen at the start of a job, so a job of four epochs has as many as a job of one.
            CHECK(allocated(plain, settings, 1) == allocated(plain, settings, 4));
            const Settings all = recipe(Optimizer::adam, batch);
            CHECK(allocated(mixed, all, 1) == allocated(mixed, all, 4));
        }
    }
}

TEST_CASE("allocations and their bytes are counted") {
    const std::int64_t before = allocations();
    const std::vector<double> some(100);
    CHECK(allocations() - before == 1);
    CHECK(allocated_bytes() >= 800);
}

TEST_CASE("a workspace takes as many bytes as predicted") {
    for (const auto& [classes, weighted] : {std::pair{0, false}, {4, false}, {0, true}, {4, true}}) {
        const Data plain = make_data(500, 9, classes, 2, weighted);
        const Data mixed = make_mixed_data(500, classes, weighted);
        for (const std::int64_t batch : {0, 1, 32, 300}) {
            Settings wide = settings_of(Optimizer::adam, batch);
            wide.hidden = {90, 3};
            const std::vector<Settings> both{wide, recipe(Optimizer::adamw, 64)};
            for (const Data* data : {&plain, &mixed}) {
                const TableSize table = size_of(*data);
                for (const Settings& each : both) {
                    const std::int64_t layout = bytes_of([&] { Layout(data->shape(), each); });  // freed at once
                    CHECK(bytes_of([&] { Workspace(*data, {&each, 1}); }) ==
                          layout + workspace_bytes(table, {&each, 1}));
                }
                CHECK(held_bytes(Workspace(*data, both)) == workspace_bytes(table, both));
            }
        }
    }
}

TEST_CASE("a score takes as many bytes as predicted, and stores predictions only for auc") {
    Settings settings = settings_of(Optimizer::adam, 32);
    settings.label_smoothing = 0.1;  // with label smoothing, the log loss is calibrated
    for (const int classes : {0, 2, 4}) {
        const Data few = make_data(500, 9, classes, 2);
        const Data many = make_data(5000, 9, classes, 2);
        for (const MetricTraits& each : all_metrics()) {
            const Metric metric = each.metric;
            if (each.classifies != (classes > 0) || metric == Metric::poisson) continue;  // whose loss is another
            for (const Data* data : {&few, &many}) {
                const std::int64_t rows = data->validation().count;
                CHECK(bytes_to_score(metric, *data, settings) == RunningScore::bytes(metric, rows, data->outputs()));
            }
            const bool keeps = bytes_to_score(metric, few, settings) < bytes_to_score(metric, many, settings);
            CHECK(keeps == (metric == Metric::auc || metric == Metric::average_precision));
        }
    }
}

TEST_CASE("a workspace used only for scoring does not grow with the table") {
    const Settings settings = recipe(Optimizer::adam, 0);
    std::int64_t bytes = 0;
    for (const int rows : {500, 5000}) {
        const Data data = make_mixed_data(rows, 4);
        const State state = initial_state(data.shape(), settings, 0, 0);
        const std::int64_t own = bytes_of([&] {
            Workspace workspace;
            workspace.prepare_to_score(data, settings);
            evaluate(data, settings, state, Metric::accuracy, kernels(""), nullptr, workspace);
        });
        if (bytes == 0) bytes = own;
        CHECK(own == bytes);
    }
}

TEST_CASE("an epoch with other losses, logarithms or sparse rows allocates nothing either") {
    constexpr int kRows = 400;
    std::vector<double> x;
    std::vector<double> y;
    std::vector<std::int64_t> training;
    std::vector<std::int64_t> validation;
    for (std::uint32_t row = 0; row < kRows; ++row) {
        for (std::uint32_t f = 0; f < 20; ++f) x.push_back((row + f) % 5 == 0 ? row % 7 : 0.0);
        y.push_back(1.0 + row % 9);
        (row % 4 == 0 ? validation : training).push_back(row);
    }
    for (const Loss loss : {Loss::squared_error, Loss::pinball, Loss::poisson}) {
        for (const std::int64_t cells : {0, 2000}) {
            DataBuilder builder(20, {y.data(), kRows, 1, 0, {loss, 0.9}}, {training}, {validation},
                                std::vector<bool>(20, true), 0, cells);
            builder.observe(x.data(), kRows);
            builder.fill(x.data(), kRows);
            const Data data = builder.finish();
            for (const TargetTransform transform : {TargetTransform::none, TargetTransform::log}) {
                for (const std::int64_t batch : {0, 32}) {
                    Settings settings = settings_of(Optimizer::adam, batch);
                    settings.target_transform = transform;
                    const bool has_logarithms = transform == TargetTransform::none || data.has_logarithms();
                    if (!has_logarithms || (batch == 0 && data.is_sparse())) continue;
                    CHECK(allocated(data, settings, 1) == allocated(data, settings, 4));
                    const Metric metric = loss == Loss::poisson ? Metric::poisson : Metric::mae;
                    CHECK(bytes_to_score(metric, data, settings) ==
                          RunningScore::bytes(metric, data.validation().count, 1));
                }
            }
        }
    }
}
