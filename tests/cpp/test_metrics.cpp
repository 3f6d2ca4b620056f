// Compares metrics with values computed by hand and with naive twins; test_metrics.py compares them with scikit-learn.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "ash/train/metrics.hpp"

namespace {

using ash::Metric;
using ash::Predictions;
using ash::RunningScore;
using ash::Targets;
using ash::Truth;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using Values = std::vector<std::vector<float>>;

// Predictions [rows][outputs], each row followed by a NaN that no metric may read.
struct Table {
    std::vector<float> values;
    int outputs;

    explicit Table(const Values& rows) : outputs(static_cast<int>(rows.at(0).size())) {
        for (const std::vector<float>& row : rows) {
            values.insert(values.end(), row.begin(), row.end());
            values.push_back(kNan);
        }
    }
    std::int64_t stride() const { return outputs + 1; }
    Predictions predictions() const {
        return {values.data(), static_cast<std::int64_t>(values.size()) / stride(), outputs, stride()};
    }
    Targets targets() const { return {values.data(), stride()}; }
};

// Returns the score of predictions that arrive in blocks of `block` rows.
double score(RunningScore& running, Metric metric, const Predictions& all, const Truth& truth, std::int64_t block) {
    running.begin(metric, truth);
    for (std::int64_t row = 0; row < all.rows; row += block) {
        const std::int64_t rows = std::min(block, all.rows - row);
        running.add({all.values + row * all.stride, rows, all.outputs, all.stride});
    }
    return running.score(0.25);
}

// Returns the score of all predictions at once, and checks that smaller blocks give the same bits.
double score(Metric metric, const Predictions& predictions, const Truth& truth) {
    RunningScore running;
    const double all = score(running, metric, predictions, truth, std::max<std::int64_t>(predictions.rows, 1));
    for (const std::int64_t block : {1, 2, 7, 64}) {
        const double same = score(running, metric, predictions, truth, block);
        CHECK(std::bit_cast<std::uint64_t>(same) == std::bit_cast<std::uint64_t>(all));
    }
    return all;
}

double score(Metric metric, const Table& table, const std::vector<std::int32_t>& labels,
             const std::vector<float>& weights = {}) {
    const Predictions all = table.predictions();
    return score(metric, all, Truth{.rows = all.rows, .outputs = all.outputs, .labels = labels, .weights = weights});
}

double score(Metric metric, const Table& table, const Table& targets, const std::vector<double>& scale = {},
             const std::vector<float>& weights = {}) {
    const Predictions all = table.predictions();
    Targets made = targets.targets();
    made.scale = scale;
    return score(metric, all, Truth{.rows = all.rows, .outputs = all.outputs, .targets = made, .weights = weights});
}

// The naive twin compares every positive row with every negative row.
double auc_by_pairs(const std::vector<float>& values, const std::vector<std::int32_t>& labels) {
    double right = 0.0;
    double pairs = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t j = 0; j < values.size(); ++j) {
            if (labels[i] != 1 || labels[j] != 0) continue;
            right += values[i] > values[j] ? 1.0 : values[i] == values[j] ? 0.5 : 0.0;
            pairs += 1.0;
        }
    }
    return right / pairs;
}

}  // namespace

TEST_CASE("metrics have the names that Python uses") {
    for (const ash::MetricTraits& each : ash::all_metrics()) {
        CHECK(ash::parse_metric(each.name) == each.metric);
        CHECK(ash::name(each.metric) == each.name);
        CHECK(ash::classifies(each.metric) == each.classifies);
    }
    CHECK(ash::classifies(Metric::f1_weighted));
    CHECK_FALSE(ash::classifies(Metric::r2));
    CHECK_THROWS_WITH_AS(ash::parse_metric("f2"),
                         doctest::Contains("accuracy, balanced_accuracy, neg_log_loss, roc_auc, average_precision, f1"),
                         std::invalid_argument);
}

TEST_CASE("accuracy predicts the first of several equally high outputs") {
    const Table table({{0.5F, 0.5F, 0.0F}, {0.1F, 0.6F, 0.3F}, {0.2F, 0.4F, 0.4F}, {0.0F, 0.0F, 1.0F}});
    CHECK(score(Metric::accuracy, table, {0, 1, 1, 2}) == 1.0);
    CHECK(score(Metric::accuracy, table, {1, 1, 2, 2}) == 0.5);
}

TEST_CASE("f1 and average precision are those of the positive class, whichever of the two it is") {
    const Table table({{0.9F, 0.1F}, {0.7F, 0.3F}, {0.4F, 0.6F}, {0.6F, 0.4F}, {0.2F, 0.8F}});
    const Table mirrored({{0.1F, 0.9F}, {0.3F, 0.7F}, {0.6F, 0.4F}, {0.4F, 0.6F}, {0.8F, 0.2F}});
    const std::vector<std::int32_t> labels = {0, 1, 1, 0, 0};
    const std::vector<std::int32_t> opposite = {1, 0, 0, 1, 1};
    for (const Metric metric : {Metric::f1, Metric::average_precision}) {
        const Predictions all = table.predictions();
        const double first = score(metric, all, {.rows = 5, .outputs = 2, .labels = labels, .positive = 0});
        CHECK(first == score(metric, mirrored, opposite));
        CHECK(first != score(metric, table, labels));
    }
}

TEST_CASE("balanced accuracy is the mean recall of the classes that occur") {
    const Table table({{1, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}});
    CHECK(score(Metric::balanced_accuracy, table, {0, 0, 0, 1}) == (2.0 / 3.0 + 0.0) / 2.0);
}

TEST_CASE("log loss is the trainer's loss, negated") {
    CHECK(score(Metric::log_loss, Table(Values{{1, 0}}), std::vector<std::int32_t>{1}) == -0.25);
}

TEST_CASE("auc of two classes is the share of pairs in the right order, with ties counted as half") {
    std::mt19937 random(1);
    for (int round = 0; round < 50; ++round) {
        std::vector<float> values;
        std::vector<std::int32_t> labels{0, 1};
        Values rows;
        for (std::size_t r = 0; r < 40; ++r) {
            values.push_back(static_cast<float>(random() % 8) / 8.0F);
            rows.push_back({1.0F - values.back(), values.back()});
            if (r >= 2) labels.push_back(static_cast<std::int32_t>(random() % 2));
        }
        CHECK(score(Metric::auc, Table(rows), labels) == doctest::Approx(auc_by_pairs(values, labels)).epsilon(1e-14));
    }
}

TEST_CASE("auc of more than two classes is the mean over all classes, each against the rest") {
    const Table table({{0.8F, 0.1F, 0.1F}, {0.2F, 0.5F, 0.3F}, {0.3F, 0.4F, 0.3F}, {0.1F, 0.2F, 0.7F}});
    // Class 0: its row has probability 0.8, and the other rows have 0.2, 0.3 and 0.1. Class 1: its row has 0.5, and the
    // other rows have 0.1, 0.4 and 0.2. Class 2: its rows have 0.3 and 0.7, and the other rows have 0.1 and 0.3. For
    // class 2, 3.5 of the 4 pairs are in order, since the tie counts as half a pair.
    CHECK(score(Metric::auc, table, {0, 1, 2, 2}) == (1.0 + 1.0 + 0.875) / 3.0);
}

TEST_CASE("regression metrics equal values computed by hand, with several outputs and in units of the target") {
    const Table predictions({{1, 10}, {2, 20}, {3, 33}});
    const Table targets({{1, 10}, {2, 23}, {6, 33}});
    // The errors are 0, 0, 3 in the first output and 0, 3, 0 in the second. The targets minus their means are -2, -1, 3
    // and -12, 1, 11.
    CHECK(score(Metric::r2, predictions, targets) == ((1.0 - 9.0 / 14.0) + (1.0 - 9.0 / 266.0)) / 2.0);
    CHECK(score(Metric::rmse, predictions, targets) == -std::sqrt(3.0));
    CHECK(score(Metric::mae, predictions, targets) == -1.0);
    CHECK(score(Metric::mae, predictions, targets, {2.0, 10.0}) == -6.0);
    CHECK(score(Metric::r2, predictions, targets, {2.0, 10.0}) == score(Metric::r2, predictions, targets));
}

TEST_CASE("r2 of a constant output is 1 if all predictions are exact, else 0") {
    const Table targets({{0.1F}, {0.1F}, {0.1F}});
    CHECK(score(Metric::r2, targets, targets) == 1.0);
    CHECK(score(Metric::r2, Table({{0.1F}, {0.2F}, {0.1F}}), targets) == 0.0);
}

TEST_CASE("an undefined metric is NaN") {
    const Table one(Values{{0.5F}});
    CHECK(std::isnan(score(Metric::r2, one, one)));
    CHECK(score(Metric::rmse, one, one) == 0.0);
    const Table two({{0.3F, 0.7F}, {0.6F, 0.4F}});
    CHECK(std::isnan(score(Metric::auc, two, {1, 1})));
    CHECK(std::isnan(score(Metric::auc, two, {0, 0})));
    CHECK(std::isnan(score(Metric::auc, Table({{0.3F, 0.4F, 0.3F}, {0.6F, 0.1F, 0.3F}}), {0, 1})));
    const Table lost({{0.3F, 0.7F}, {kNan, 0.4F}});
    const Table beyond({{0.3F, 0.7F}, {0.1F, -std::numeric_limits<float>::infinity()}});
    for (const Metric metric : {Metric::accuracy, Metric::log_loss, Metric::balanced_accuracy, Metric::auc,
                                Metric::average_precision, Metric::f1, Metric::f1_macro, Metric::f1_weighted}) {
        CHECK(std::isnan(score(metric, lost, {0, 1})));
        CHECK(std::isnan(score(metric, beyond, {0, 1})));
    }
    const Truth none{.rows = 0, .outputs = 2};
    for (const Metric metric : {Metric::accuracy, Metric::log_loss, Metric::balanced_accuracy, Metric::auc, Metric::r2})
        CHECK(std::isnan(score(metric, Predictions{nullptr, 0, 2, 2}, none)));
}

TEST_CASE("f1 and average precision equal values computed by hand") {
    const Table table({{0.9F, 0.1F}, {0.2F, 0.8F}, {0.4F, 0.6F}, {0.3F, 0.7F}});
    CHECK(score(Metric::f1, table, {0, 1, 0, 1}) == doctest::Approx(0.8));  // precision 2 / 3 and recall 1
    CHECK(score(Metric::f1_macro, table, {0, 1, 0, 1}) == doctest::Approx((0.8 + 2.0 / 3.0) / 2.0));
    CHECK(score(Metric::f1_weighted, table, {0, 1, 1, 1}) == 1.0);
    CHECK(score(Metric::average_precision, table, {0, 0, 1, 1}) == doctest::Approx((1.0 / 2.0 + 2.0 / 3.0) / 2.0));
    CHECK(score(Metric::average_precision, table, {0, 1, 1, 1}) == 1.0);
    CHECK(std::isnan(score(Metric::average_precision, table, {0, 0, 0, 0})));
    CHECK(std::isnan(score(Metric::f1, Table({{0.3F, 0.4F, 0.3F}}), std::vector<std::int32_t>{1})));
}

TEST_CASE("a metric of the wrong task is refused") {
    const Table table(Values{{1, 0}});
    CHECK_THROWS_AS(score(Metric::r2, table, std::vector<std::int32_t>{0}), std::invalid_argument);
    CHECK_THROWS_AS(score(Metric::accuracy, table, table), std::invalid_argument);
}

TEST_CASE("a weighted row counts as that many rows") {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
    Values few, many, few_targets, many_targets;
    std::vector<std::int32_t> labels, many_labels;
    std::vector<float> weights;
    for (int row = 0; row < 60; ++row) {
        const std::vector<float> prediction{std::round(8 * uniform(random)) / 8, uniform(random), uniform(random)};
        const std::vector<float> target{uniform(random), uniform(random), uniform(random)};
        few.push_back(prediction);
        few_targets.push_back(target);
        labels.push_back(row % 3);
        weights.push_back(static_cast<float>(1 + row % 4));
        for (int time = 0; time <= row % 4; ++time) {
            many.push_back(prediction);
            many_targets.push_back(target);
            many_labels.push_back(row % 3);
        }
    }
    const Table table(few), repeated(many), targets(few_targets), repeated_targets(many_targets);
    const std::vector<float> ones(60, 1.0F);
    for (const Metric metric : {Metric::accuracy, Metric::balanced_accuracy, Metric::auc, Metric::average_precision,
                                Metric::f1_macro, Metric::f1_weighted}) {
        CHECK(score(metric, table, labels, weights) ==
              doctest::Approx(score(metric, repeated, many_labels)).epsilon(1e-12));
        CHECK(score(metric, table, labels, ones) == score(metric, table, labels));
    }
    for (const Metric metric : {Metric::r2, Metric::rmse, Metric::mae}) {
        CHECK(score(metric, table, targets, {}, weights) ==
              doctest::Approx(score(metric, repeated, repeated_targets)).epsilon(1e-12));
    }
}

TEST_CASE("a reused running score gives the values of a new one") {
    std::mt19937 random(5);
    std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
    RunningScore used;
    for (const std::size_t rows : {200, 3, 90}) {
        Values values;
        std::vector<std::int32_t> labels;
        for (std::size_t row = 0; row < rows; ++row) {
            values.push_back({uniform(random), uniform(random), uniform(random)});
            labels.push_back(static_cast<std::int32_t>(row % 3));
        }
        values.back()[2] = rows == 3 ? kNan : 0.5F;
        const Table table(values);
        const Predictions all = table.predictions();
        const Truth truth{.rows = all.rows, .outputs = 3, .labels = labels, .targets = table.targets()};
        for (const Metric metric : {Metric::auc, Metric::balanced_accuracy, Metric::f1_macro, Metric::average_precision,
                                    Metric::r2, Metric::mae, Metric::auc}) {
            const double again = score(used, metric, all, truth, 64);
            CHECK(std::bit_cast<std::uint64_t>(again) == std::bit_cast<std::uint64_t>(score(metric, all, truth)));
        }
    }
}
