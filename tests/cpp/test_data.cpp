// Tests data built from blocks. Moments must equal those of two plain passes, and weighted rows must act like repeated
// rows. Also tests the clip, missing values and refused input.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <new>
#include <numeric>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/data/moments.hpp"
#include "ash/train/evaluation.hpp"
#include "ash/train/trainer.hpp"
#include "training_data.hpp"

namespace {

using namespace ash;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The naive twin computes weighted mean and deviation in two passes.
std::pair<double, double> plain_moments(const std::vector<double>& values, const std::vector<double>& weights) {
    long double weight = 0;
    long double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        weight += weights[i];
        sum += static_cast<long double>(weights[i]) * values[i];
    }
    const long double mean = sum / weight;
    long double squares = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        squares += weights[i] * (values[i] - mean) * (values[i] - mean);
    }
    return {static_cast<double>(mean), static_cast<double>(std::sqrt(squares / weight))};
}

// A table of numbers [rows, 3] with missing cells, with its target and row weights (1, 2 or 3).
struct Given {
    static constexpr int kFeatures = 3;
    std::vector<double> x;
    std::vector<double> y;
    std::vector<double> weights;
    std::vector<std::int64_t> training;
    std::vector<std::int64_t> validation;

    explicit Given(int rows, int classes) {
        std::mt19937_64 random(7);
        std::normal_distribution<double> normal;
        for (int row = 0; row < rows; ++row) {
            for (int f = 0; f < kFeatures; ++f) x.push_back(row % 7 == f ? kNan : 10.0 * f + normal(random));
            y.push_back(classes > 0 ? row % classes : normal(random));
            weights.push_back(1.0 + row % 3);
            (row % 4 == 0 ? validation : training).push_back(row);
        }
    }
    std::int64_t rows() const { return std::ssize(y); }
    std::vector<double> weights_of(const std::vector<std::int64_t>& rows) const {
        std::vector<double> result;
        for (const std::int64_t row : rows) result.push_back(weights[static_cast<std::size_t>(row)]);
        return result;
    }
};

Data built(const Given& given, int classes, bool weighted, std::int64_t block) {
    const std::vector<double> training = given.weights_of(given.training);
    const std::vector<double> validation = given.weights_of(given.validation);
    const Part first{given.training, weighted ? std::span<const double>(training) : std::span<const double>{}};
    const Part second{given.validation, weighted ? std::span<const double>(validation) : std::span<const double>{}};
    DataBuilder builder(Given::kFeatures, {given.y.data(), given.rows(), 1, classes}, first, second,
                        {true, true, false});
    for (const bool fill : {false, true}) {
        for (std::int64_t row = 0; row < given.rows(); row += block) {
            const double* x = given.x.data() + row * Given::kFeatures;
            const std::int64_t count = std::min(block, given.rows() - row);
            fill ? builder.fill(x, count) : builder.observe(x, count);
        }
    }
    return builder.finish();
}

// Returns the table with each row repeated as often as its weight.
Given repeated(const Given& given) {
    Given result(0, 2);
    for (std::size_t row = 0; row < given.y.size(); ++row) {
        const double* x = given.x.data() + row * Given::kFeatures;
        for (int time = 0; time < given.weights[row]; ++time) {
            (row % 4 == 0 ? result.validation : result.training).push_back(result.rows());
            result.x.insert(result.x.end(), x, x + Given::kFeatures);
            result.y.push_back(given.y[row]);
            result.weights.push_back(1.0);
        }
    }
    return result;
}

std::vector<float> floats(const AlignedFloats& values) { return {values.data(), values.data() + values.size()}; }

}  // namespace

TEST_CASE("moments in one pass equal those of two passes, with weights and large means") {
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal;
    for (const double offset : {0.0, 1e9, -1e30}) {
        for (const double spread : {1.0, 1e-3, 1e12}) {
            // The first value is an outlier. Moments subtracts it from all values before it computes sums.
            std::vector<double> values{offset + 1000 * spread};
            std::vector<double> weights{2.0};
            for (int row = 1; row < 3000; ++row) {
                values.push_back(offset + spread * normal(random));
                weights.push_back(1.0 + row % 4);
            }
            Moments moments(1);
            for (std::size_t row = 0; row < values.size(); ++row) moments.add(&values[row], weights[row]);
            const auto [mean, deviation] = plain_moments(values, weights);
            CHECK(std::abs(moments.scaling().center[0] - mean) <= 1e-13 * (std::abs(offset) + 1000 * spread));
            if (std::abs(offset) > 1e15 * spread) continue;  // a double cannot represent the spread
            CHECK(moments.scaling().scale[0] == doctest::Approx(deviation).epsilon(1e-9));
            CHECK(moments.scaling().limit[0] == 0.0);
        }
    }
}

TEST_CASE("columns that are constant or empty have a deviation of 1") {
    Moments moments(2);
    CHECK(moments.scaling().center == std::vector{0.0, 0.0});
    CHECK(moments.scaling().scale == std::vector{1.0, 1.0});
    for (int row = 0; row < 5; ++row) moments.add(std::vector{0.1, 1e-200 * row}.data(), 3.0);
    CHECK(moments.scaling().center[0] == 0.1);
    CHECK(moments.scaling().scale == std::vector{1.0, 1.0});  // squares of the second column overflow
}

TEST_CASE("data do not depend on blocks or on the order of rows in a part") {
    for (const int classes : {3, 0}) {
        const Given given(203, classes);
        const Data whole = built(given, classes, true, given.rows());
        for (const std::int64_t block : {1, 16, 100}) {
            const Data other = built(given, classes, true, block);
            CHECK(floats(other.training().x) == floats(whole.training().x));
            CHECK(floats(other.validation().x) == floats(whole.validation().x));
            CHECK(floats(other.training().targets) == floats(whole.training().targets));
            CHECK(other.training().weights == whole.training().weights);
        }
        Given turned = given;
        std::reverse(turned.training.begin(), turned.training.end());
        const Data back = built(turned, classes, true, 16);
        CHECK(back.inputs().center == whole.inputs().center);
        CHECK(back.inputs().scale == whole.inputs().scale);
        const Rows& rows = whole.training();
        for (std::int64_t row = 0; row < rows.count; ++row) {
            const float* there = back.training().x.data() + (rows.count - 1 - row) * rows.stride;
            CHECK(std::equal(there, there + rows.stride, rows.x.data() + row * rows.stride));
        }
    }
}

TEST_CASE("data do not depend on blocks if quartiles come from a sample") {
    const Given given(40000, 2);
    const Data whole = built(given, 2, true, given.rows());
    for (const std::int64_t block : {1, 1000}) {
        const Data other = built(given, 2, true, block);
        CHECK(other.inputs().center == whole.inputs().center);
        CHECK(other.inputs().scale == whole.inputs().scale);
        CHECK(floats(other.training().x) == floats(whole.training().x));
    }
}

TEST_CASE("a missing value is stored as the median, and a feature that is not standardized stays unchanged") {
    const Given given(70, 2);
    const Data data = built(given, 2, false, 16);
    for (std::size_t i = 0; i < given.training.size(); ++i) {
        const double* x = given.x.data() + given.training[i] * Given::kFeatures;
        const float* z = data.training().x.data() + static_cast<std::int64_t>(i) * data.training().stride;
        for (int f = 0; f < 2; ++f) {
            const auto column = static_cast<std::size_t>(f);
            const double plain = (x[f] - data.inputs().center[column]) / data.inputs().scale[column];
            const double expected = plain / std::sqrt(1.0 + plain * plain / 9.0);
            CHECK(z[f] == doctest::Approx(std::isnan(x[f]) ? 0.0 : expected).epsilon(1e-6));
        }
        CHECK(z[2] == (std::isnan(x[2]) ? 0.0F : static_cast<float>(x[2])));
    }
    CHECK(data.constant_features().empty());
    CHECK(data.training().weights.empty());
}

TEST_CASE("weights equal repeated rows in scaling, in a full-batch update, in score and in loss") {
    for (const int classes : {3, 0}) {
        const Given given(300, classes);
        const Data weighted = built(given, classes, true, 64);
        const Data rows = built(repeated(given), classes, false, 64);
        CHECK(rows.training().count > weighted.training().count);
        CHECK(weighted.inputs().center[0] == doctest::Approx(rows.inputs().center[0]).epsilon(1e-12));
        CHECK(weighted.units().center[0] == doctest::Approx(rows.units().center[0]).epsilon(1e-12));
        CHECK(weighted.inputs().scale[1] == doctest::Approx(rows.inputs().scale[1]).epsilon(1e-12));
        CHECK(std::accumulate(weighted.training().weights.begin(), weighted.training().weights.end(), 0.0) ==
              doctest::Approx(static_cast<double>(weighted.training().count)));
        Settings settings = ash::testing::settings_of(Optimizer::momentum, 0);
        settings.dropout = 0.0;
        const auto trained = [&](const Data& data) {
            State state = initial_state(data.shape(), settings, 1, 2);
            Workspace workspace(data, {&settings, 1});
            std::vector<double> losses(20);
            train(data, settings, {.epochs = 20, .seed = 1, .candidate = 2, .losses = losses}, kernels(""), state,
                  workspace);
            const Metric metric = classes > 0 ? Metric::auc : Metric::r2;
            const Evaluation found = evaluate(data, settings, state, metric, kernels(""), nullptr, workspace);
            losses.insert(losses.end(), {found.score, found.loss});
            return losses;
        };
        const std::vector<double> expected = trained(rows);
        const std::vector<double> found = trained(weighted);
        for (std::size_t i = 0; i < expected.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-4));
    }
}

TEST_CASE("a builder refuses shapes that do not fit") {
    const Given given(20, 2);
    const TargetTable targets{given.y.data(), 20, 1, 2};
    const std::vector<bool> all(3, true);
    const auto refused = [&](const Part& training, const std::vector<bool>& standardized) {
        CHECK_THROWS_AS(DataBuilder(3, targets, training, {given.validation}, standardized), std::invalid_argument);
    };
    std::vector<double> weights(given.training.size(), 1.0);
    refused({given.training}, {true});
    refused({given.training, std::span(weights).first(3)}, all);
    for (const double bad : {0.0, -1.0, kNan, std::numeric_limits<double>::infinity()}) {
        weights[1] = bad;
        refused({given.training, weights}, all);
    }
    DataBuilder builder(3, targets, {given.training}, {given.validation}, all);
    CHECK_THROWS_AS(builder.fill(given.x.data(), 20), std::invalid_argument);
    builder.observe(given.x.data(), 20);
    for (const int more : {0, 1}) CHECK_THROWS_AS(builder.observe(given.x.data(), more), std::invalid_argument);
    for (const std::int64_t rows : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
        CHECK_THROWS_AS(builder.fill(given.x.data(), rows), std::invalid_argument);
        DataBuilder other(3, targets, {given.training}, {given.validation}, all);
        other.observe(given.x.data(), 1);
        CHECK_THROWS_AS(other.observe(given.x.data(), rows), std::invalid_argument);
    }
    builder.fill(given.x.data(), 19);
    CHECK_THROWS_AS(builder.finish(), std::invalid_argument);
    builder.fill(given.x.data() + 57, 1);
    CHECK(builder.finish().training().count == 15);
    CHECK_THROWS_AS(builder.finish(), std::invalid_argument);
    CHECK_THROWS_AS(builder.fill(given.x.data(), 0), std::invalid_argument);
}

TEST_CASE("a table without columns or with too many columns is refused") {
    const Given given(20, 2);
    for (const int columns : {-1, 0, kMostColumns + 1, std::numeric_limits<int>::max()}) {
        const auto made = [&](int features, int targets, int classes) {
            DataBuilder(features, {given.y.data(), 20, targets, classes}, {given.training}, {given.validation},
                        std::vector<bool>(3, true));
        };
        CHECK_THROWS_AS(made(columns, 1, 2), std::invalid_argument);
        CHECK_THROWS_AS(made(3, columns, 0), std::invalid_argument);
        if (columns != 0) CHECK_THROWS_AS(made(3, 1, columns), std::invalid_argument);
    }
}

TEST_CASE("weights whose sum is not finite are refused") {
    const Given given(20, 2);
    std::vector<double> weights(given.training.size(), 1e308);
    weights.front() = 1e307;
    CHECK_THROWS_AS(DataBuilder(3, {given.y.data(), 20, 1, 2}, {given.training, weights}, {given.validation},
                                std::vector<bool>(3, true)),
                    std::invalid_argument);
}

TEST_CASE("pickled data whose members do not fit each other are refused") {
    const auto members = [](std::int64_t rows, std::int64_t epoch_rows, std::vector<int> numbers) {
        Rows part;
        part.count = rows;
        part.stride = padded(3);
        part.target_stride = padded(2);
        part.x = AlignedFloats(2 * part.stride);
        part.labels.assign(2, 1);
        return Data::Members{3, 2, no_scaling(3), no_scaling(2), {}, std::move(numbers), part, part, epoch_rows};
    };
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    CHECK(Data(members(2, 0, {0, 2})).shape().numbers == 2);
    for (const std::int64_t rows : {-kMost, std::int64_t{0}, std::int64_t{1}, std::int64_t{3}, kMost}) {
        for (const std::int64_t epoch_rows : {std::int64_t{0}, kMost - 1})
            CHECK_THROWS_AS(Data(members(rows, epoch_rows, {})), std::invalid_argument);
    }
    CHECK_THROWS_AS(Data(members(2, -1, {})), std::invalid_argument);
    for (const std::vector<int>& numbers : {std::vector{3}, {-1}, {1, 1}, {2, 0}, {0, 1, 2, 2}})
        CHECK_THROWS_AS(Data(members(2, 0, numbers)), std::invalid_argument);
}

TEST_CASE("pickled data of a classification with a wrong member are refused") {
    using Change = std::function<void(Data::Members&)>;
    const auto made = [](const Change& change) {
        Rows part;
        part.count = 3;
        part.stride = padded(4);
        part.target_stride = padded(2);
        part.sparse = SparseRows(3);
        for (const std::int64_t row : {2, 0, 1}) part.sparse.put(row, std::array{0.0F, 5.0F, 0.0F, 6.0F});
        part.labels.assign(3, 1);
        Data::Members members{4, 2, no_scaling(4), no_scaling(2), {}, {}, part, part, 0};
        change(members);
        return Data(std::move(members));
    };
    CHECK(made([](Data::Members&) {}).is_sparse());
    const std::vector<std::pair<const char*, Change>> changes{
        {"sparse rows", [](Data::Members& m) { m.training.sparse.first.pop_back(); }},
        {"sparse rows", [](Data::Members& m) { m.validation.sparse.size.push_back(0); }},
        {"sparse cells", [](Data::Members& m) { m.training.sparse.values.pop_back(); }},
        {"a sparse row", [](Data::Members& m) { m.training.sparse.first[1] = -1; }},
        {"a sparse row", [](Data::Members& m) { m.training.sparse.size[1] = 7; }},
        {"a sparse column", [](Data::Members& m) { m.validation.sparse.columns[0] = 4; }},
        {"only one of the parts is sparse",
         [](Data::Members& m) {
             m.validation.sparse = {};
             m.validation.x = AlignedFloats(3 * m.validation.stride);
         }},
        {"strides", [](Data::Members& m) { m.training.stride += 1; }},
        {"strides", [](Data::Members& m) { m.training.target_stride = 0; }},
        {"inputs", [](Data::Members& m) { m.training.x = AlignedFloats(3 * m.training.stride); }},
        {"labels", [](Data::Members& m) { m.training.labels.pop_back(); }},
        {"a class number", [](Data::Members& m) { m.validation.labels[2] = 2; }},
        {"a class number", [](Data::Members& m) { m.validation.labels[2] = -1; }},
        {"targets", [](Data::Members& m) { m.training.targets = AlignedFloats(3); }},
        {"weights", [](Data::Members& m) { m.training.weights.assign(2, 1.0F); }},
        {"logarithms", [](Data::Members& m) { m.training.log_targets.assign(2, 1.0F); }},
        {"logarithms", [](Data::Members& m) { m.validation.log_targets.assign(3, 1.0F); }},
        {"constant features", [](Data::Members& m) { m.constant_features = {-1}; }},
        {"constant features", [](Data::Members& m) { m.constant_features = {4}; }},
        {"x: the number of columns must be 1 to 2^28", [](Data::Members& m) { m.features = 0; }},
        {"2 to 2^28 classes", [](Data::Members& m) { m.classes = 1; }},
        {"loss: the level", [](Data::Members& m) { m.loss.level = 1.0; }},
        {"only a regression has a choice", [](Data::Members& m) { m.loss.kind = Loss::pinball; }},
        {"wrong number of columns", [](Data::Members& m) { m.inputs.center.pop_back(); }},
        {"standardization: not finite", [](Data::Members& m) { m.units.scale[1] = 0.0; }},
        {"standardization: not finite", [](Data::Members& m) { m.inputs.center[2] = kNan; }},
        {"not above zero", [](Data::Members& m) { m.units.scale[1] = -1.0; }},
        {"a limit that is neither", [](Data::Members& m) { m.inputs.limit[2] = 2.0; }},
    };
    for (const auto& [what, change] : changes) {
        CAPTURE(what);
        CHECK_THROWS_WITH_AS(made(change), doctest::Contains(what), std::invalid_argument);
    }
}

TEST_CASE("pickled data of a regression with a wrong member are refused") {
    using Change = std::function<void(Data::Members&)>;
    const auto made = [](const Change& change) {
        Rows part;
        part.count = 2;
        part.stride = padded(3);
        part.target_stride = padded(1);
        part.x = AlignedFloats(2 * part.stride);
        part.targets = AlignedFloats(2 * part.target_stride);
        OutputUnits logarithms = without_bounds({{2.0}, {1.0}, {0.0}});
        logarithms.link = Link::exp;
        Data::Members members{3, 0, no_scaling(3), no_scaling(1), {}, {}, part, part, 0, {}, {}, logarithms};
        members.training.log_targets.assign(2, 0.5F);
        change(members);
        return Data(std::move(members));
    };
    CHECK(made([](Data::Members&) {}).has_logarithms());
    CHECK_FALSE(made([](Data::Members& m) { m.training.log_targets.clear(); }).has_logarithms());
    const std::vector<std::pair<const char*, Change>> changes{
        {"logarithms", [](Data::Members& m) { m.logarithms.link = Link::identity; }},
        {"logarithms", [](Data::Members& m) { m.training.log_targets[1] = std::numeric_limits<float>::infinity(); }},
        {"logarithms", [](Data::Members& m) { m.training.log_targets.push_back(1.0F); }},
        {"center of exponentials", [](Data::Members& m) { m.logarithms.scaling.center[0] = 0.0; }},
        {"bounds", [](Data::Members& m) { m.logarithms.most.clear(); }},
        {"bounds", [](Data::Members& m) { m.logarithms.least[0] = 3.0, m.logarithms.most[0] = 2.0; }},
        {"link", [](Data::Members& m) { m.loss.kind = Loss::poisson; }},
        {"link", [](Data::Members& m) { m.outputs = m.logarithms; }},
        {"not in the units of targets",
         [](Data::Members& m) {
             m.outputs = without_bounds(no_scaling(1));
             m.outputs.scaling.scale[0] = 2.0;
         }},
        {"loss: the level", [](Data::Members& m) { m.loss.level = 0.0; }},
        {"targets", [](Data::Members& m) { m.validation.targets = {}; }},
        {"labels", [](Data::Members& m) { m.validation.labels.assign(2, 0); }},
    };
    for (const auto& [what, change] : changes) {
        CAPTURE(what);
        CHECK_THROWS_WITH_AS(made(change), doctest::Contains(what), std::invalid_argument);
    }
}

TEST_CASE("a block of floats of an impossible size is not allocated") {
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    for (const std::int64_t size : {-kMost - 1, std::int64_t{-1}, kMost / 4 + 1, kMost})
        CHECK_THROWS_AS(AlignedFloats{size}, std::bad_alloc);
    CHECK(AlignedFloats(0).data() == nullptr);
}
