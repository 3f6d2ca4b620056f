// Tests boosted trees: scores against a naive twin, probabilities and targets, and refused inputs.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ash/data/random.hpp"
#include "ash/train/trees.hpp"

using namespace ash;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int kFeatures = 5;

struct Tables {
    std::vector<TreeNode> nodes;
    std::vector<double> leaves;
    std::vector<std::int64_t> leaf_starts{0};
};

// A stream of random numbers that depends only on a seed.
struct Draws {
    std::uint64_t seed;
    std::uint32_t count = 0;
    std::uint32_t below(std::uint32_t end) { return philox({count++, 0, 0, 0}, seed)[0] % end; }
    double number() { return unit_float(philox({count++, 0, 0, 0}, seed)[0]) - 0.5; }
};

// Adds a tree with this number of leaves. Like LightGBM's trees, it grows from one leaf by splitting leaves.
void grow(Tables& tables, int leaves, Draws& draws) {
    std::vector<TreeNode> nodes;
    std::vector<std::int32_t*> parents(1, nullptr);  // for each leaf, the field of its parent node that refers to it
    nodes.reserve(static_cast<std::size_t>(leaves));
    for (std::int32_t node = 0; node + 1 < leaves; ++node) {
        const auto leaf = draws.below(static_cast<std::uint32_t>(parents.size()));
        const double threshold = draws.below(8) == 0 ? 0.0 : draws.number();
        const auto feature = static_cast<std::int32_t>(draws.below(kFeatures));
        nodes.push_back(
            {threshold, feature, ~static_cast<std::int32_t>(leaf), ~(node + 1), static_cast<NanGoes>(draws.below(3))});
        if (parents[leaf] != nullptr) *parents[leaf] = node;
        parents[leaf] = &nodes.back().left;
        parents.push_back(&nodes.back().right);
    }
    tables.nodes.insert(tables.nodes.end(), nodes.begin(), nodes.end());
    for (int leaf = 0; leaf < leaves; ++leaf) tables.leaves.push_back(draws.number());
    tables.leaf_starts.push_back(std::ssize(tables.leaves));
}

Tables forest(int trees, std::uint32_t most_leaves, std::uint64_t seed) {
    Tables tables;
    Draws draws{seed};
    for (int tree = 0; tree < trees; ++tree) grow(tables, 1 + static_cast<int>(draws.below(most_leaves)), draws);
    return tables;
}

std::vector<float> cells(std::int64_t rows) {
    Draws draws{9};
    std::vector<float> x;
    for (std::int64_t i = 0; i < rows * kFeatures; ++i) {
        const float odd[] = {NAN, 0.0F, -0.0F, 1e-40F, -1e-40F, 3e38F, -3e38F, 1e-35F, -1e-35F};
        const auto kind = draws.below(20);
        x.push_back(kind < 9 ? odd[kind] : static_cast<float>(draws.number()));
    }
    return x;
}

// Returns the scores of a row, computed by definition.
std::vector<double> naive_scores(const Tables& tables, std::size_t scores, const float* row) {
    std::vector<double> result(scores, 0.0);
    for (std::size_t tree = 0; tree + 1 < tables.leaf_starts.size(); ++tree) {
        const auto first_leaf = static_cast<std::size_t>(tables.leaf_starts[tree]);
        const std::function<double(std::int32_t)> value_at = [&](std::int32_t at) {
            if (at < 0) return tables.leaves[first_leaf + static_cast<std::size_t>(~at)];
            const TreeNode& node = tables.nodes[first_leaf - tree + static_cast<std::size_t>(at)];
            double x = row[node.feature];
            if (std::fabs(x) <= double{1e-35F}) x = 0.0;
            if (std::isnan(x) && node.nan == NanGoes::left) return value_at(node.left);
            if (std::isnan(x) && node.nan == NanGoes::right) return value_at(node.right);
            if (std::isnan(x)) x = 0.0;
            return value_at(x <= node.threshold ? node.left : node.right);
        };
        const bool is_leaf = tables.leaf_starts[tree + 1] - tables.leaf_starts[tree] == 1;
        result[tree % scores] += value_at(is_leaf ? -1 : 0);
    }
    return result;
}

OutputUnits plain(std::size_t outputs) { return without_bounds(no_scaling(outputs)); }

Trees made(const Tables& tables, int classes = 0, std::size_t outputs = 1) {
    return {tables.nodes, tables.leaves, tables.leaf_starts, kFeatures, classes, plain(outputs)};
}

// Returns a tree whose root has an inner node, not a leaf, as its right child.
Tables chain() {
    return {{{0.5, 0, ~0, 1, NanGoes::left}, {0.25, 4, ~1, ~2, NanGoes::right}}, {1.0, 2.0, 4.0}, {0, 3}};
}

}  // namespace

TEST_CASE("scores are sums of leaves in the order of trees, for any number of threads and rows") {
    constexpr std::int64_t kRows = 1000;
    const std::vector<float> x = cells(kRows);
    const std::vector<double> doubles(x.begin(), x.end());
    for (const int scores : {1, 3}) {
        const Tables tables = forest(30, 40, 1);
        const Trees trees = made(tables, scores > 1 ? scores : 0, static_cast<std::size_t>(scores));
        std::vector<double> expected;
        for (std::int64_t row = 0; row < kRows; ++row)
            for (const double score :
                 naive_scores(tables, static_cast<std::size_t>(scores), &x[static_cast<std::size_t>(row) * kFeatures]))
                expected.push_back(score);
        for (const int threads : {1, 2, 3, 64}) {
            std::vector<double> found(expected.size());
            CHECK(trees.raw_scores(doubles.data(), kRows, threads, found.data()));
            CHECK(found == expected);
            std::ranges::fill(found, 0.0);
            CHECK(trees.raw_scores(x.data(), kRows, threads, found.data()));
            CHECK(found == expected);
        }
        for (const std::int64_t rows : {1, 7, 8, 9, 255, 257}) {
            std::vector<double> found(static_cast<std::size_t>(rows * scores));
            CHECK(trees.raw_scores(x.data() + 5 * kFeatures, rows, 1, found.data()));
            CHECK(std::ranges::equal(
                found, std::vector(expected.begin() + 5 * scores, expected.begin() + (5 + rows) * scores)));
        }
    }
}

TEST_CASE("a cell goes left if it is at most the threshold, and NaN goes to the side given by the node") {
    const Trees trees = made(chain());
    const std::vector<double> x{0.5, 0,    0,    0, 9, 0.51, 0, 0,    0, 0.25, 0.51, 0,   0,
                                0,   kNan, kNan, 0, 0, 0,    9, 0.51, 0, 0,    0,    0.26};
    std::vector<float> found(5);
    REQUIRE(trees.predict(x.data(), 5, 1, kernels(""), found.data()));
    CHECK(found == std::vector{1.0F, 2.0F, 4.0F, 1.0F, 4.0F});
}

TEST_CASE("NaN that counts as zero goes to the side of zero") {
    Tables tables = chain();
    tables.nodes[0].nan = tables.nodes[1].nan = NanGoes::as_zero;
    tables.nodes[1].threshold = -0.25;
    const Trees trees = made(tables);
    CHECK(trees.nodes()[0].nan == NanGoes::left);
    CHECK(trees.nodes()[1].nan == NanGoes::right);
}

TEST_CASE("a node of categories sends the levels of its set left, and all other cells right") {
    const Tables t = {{{1.0, 2, ~0, ~1, NanGoes::category}}, {1.0, 2.0}, {0, 2}};
    const LevelSets sets{{0, 1, 3}, {1U, 4U, 0x80000000U}};  // the level 0; the levels 2 and 63
    const Trees trees(t.nodes, t.leaves, t.leaf_starts, kFeatures, 0, plain(1), sets);
    const std::vector<std::pair<double, double>> cases = {{2, 1},  {2.9, 1}, {63, 1},  {0, 2},    {-0.5, 2}, {62, 2},
                                                          {64, 2}, {-1, 2},  {-62, 2}, {kNan, 2}, {1e9, 2},  {3e38, 2}};
    for (const auto& [cell, expected] : cases) {
        const std::vector<double> rows(11 * kFeatures, cell);
        std::vector<double> found(11);
        CHECK(trees.raw_scores(rows.data(), 11, 1, found.data()));
        CHECK(found == std::vector<double>(11, expected));
    }
    const auto with = [&](double set, LevelSets other) {
        return Trees({{set, 2, ~0, ~1, NanGoes::category}}, t.leaves, t.leaf_starts, kFeatures, 0, plain(1),
                     std::move(other));
    };
    CHECK_NOTHROW(with(0, sets));
    for (const double set : {-1.0, 0.5, 2.0}) CHECK_THROWS_AS(with(set, sets), std::invalid_argument);
    for (const LevelSets& wrong : {LevelSets{{}, {}}, LevelSets{{1}, {}}, LevelSets{{0, 2}, {1}}, LevelSets{{0, 0}, {}},
                                   LevelSets{{0, 1}, {0}}, LevelSets{{0, 2}, {1, 0}}})
        CHECK_THROWS_AS(with(0, wrong), std::invalid_argument);
}

TEST_CASE("scores are converted to targets in the units of y and clamped to their bounds") {
    const Tables tables = chain();
    const std::vector<double> x{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1};
    std::vector<float> found(3);
    OutputUnits units{Link::identity, {{10.0}, {3.0}, {0.0}}, {14.0}, {20.0}};
    const auto predict = [&] {
        const Trees trees(tables.nodes, tables.leaves, tables.leaf_starts, kFeatures, 0, units);
        REQUIRE(trees.predict(x.data(), 3, 2, kernels(""), found.data()));
    };
    predict();
    CHECK(found == std::vector{14.0F, 16.0F, 20.0F});
    units = {Link::exp, {{10.0}, {0.5}, {0.0}}, {0.0}, {1000.0}};
    predict();
    for (std::size_t row = 0; row < 3; ++row)
        CHECK(found[row] == doctest::Approx(10.0 * std::exp(0.5 * tables.leaves[row])).epsilon(1e-6));
}

TEST_CASE("floats predict like doubles, and double results are the targets and probabilities before rounding") {
    constexpr std::int64_t kRows = 300;
    const std::vector<float> floats = cells(kRows);
    const std::vector<double> doubles(floats.begin(), floats.end());
    const Tables tables = forest(30, 20, 3);
    for (const int classes : {0, 2, 3}) {
        const std::size_t outputs = classes == 0 ? 1 : static_cast<std::size_t>(classes);
        OutputUnits units = plain(outputs);
        if (classes == 0) units.scaling.center[0] = 1e9;
        const Trees trees(tables.nodes, tables.leaves, tables.leaf_starts, kFeatures, classes, units);
        std::vector<double> raw(static_cast<std::size_t>(kRows * trees.scores()));
        REQUIRE(trees.raw_scores(doubles.data(), kRows, 1, raw.data()));
        std::vector<double> wide(kRows * outputs);
        std::vector<double> also_wide(wide.size());
        std::vector<float> narrow(wide.size());
        std::vector<float> also_narrow(wide.size());
        CHECK(trees.predict(doubles.data(), kRows, 2, kernels(""), wide.data()));
        CHECK(trees.predict(floats.data(), kRows, 1, kernels(""), also_wide.data()));
        CHECK(trees.predict(doubles.data(), kRows, 1, kernels(""), narrow.data()));
        CHECK(trees.predict(floats.data(), kRows, 2, kernels(""), also_narrow.data()));
        CHECK(wide == also_wide);
        CHECK(narrow == also_narrow);
        CHECK(narrow == std::vector<float>(wide.begin(), wide.end()));
        if (classes == 0)
            for (std::size_t row = 0; row < raw.size(); ++row) CHECK(wide[row] == raw[row] + 1e9);
    }
}

TEST_CASE("probabilities are the softmax of the scores, the same on every instruction set with fma") {
    constexpr std::int64_t kRows = 300;
    const std::vector<float> x = cells(kRows);
    for (const int classes : {2, 3, 17}) {
        const int scores = classes == 2 ? 1 : classes;
        const Trees trees = made(forest(10 * scores, 20, 2), classes, static_cast<std::size_t>(classes));
        std::vector<double> raw(static_cast<std::size_t>(kRows * scores));
        REQUIRE(trees.raw_scores(x.data(), kRows, 1, raw.data()));
        std::vector<float> of_best;
        for (const Kernels* kernels : available_kernels()) {
            std::vector<float> found(static_cast<std::size_t>(kRows * classes));
            REQUIRE(trees.predict(x.data(), kRows, 2, *kernels, found.data()));
            if (of_best.empty()) of_best = found;
            if (kernels->fma) CHECK(found == of_best);
            for (std::int64_t row = 0; row < kRows; ++row) {
                const auto power = [&](int k) {
                    return std::exp(classes > 2 ? raw[static_cast<std::size_t>(row * scores + k)]
                                                : k * raw[static_cast<std::size_t>(row)]);
                };
                double sum = 0.0;
                for (int k = 0; k < classes; ++k) sum += power(k);
                for (int k = 0; k < classes; ++k)
                    CHECK(found[static_cast<std::size_t>(row * classes + k)] ==
                          doctest::Approx(power(k) / sum).epsilon(1e-6));
            }
        }
    }
}

TEST_CASE("scores that are far apart give probabilities of 0 and 1") {
    const Tables tables{{{0.0, 0, ~0, ~1, NanGoes::left}}, {-1e300, 1e300}, {0, 2}};
    const Trees trees = made(tables, 2, 2);
    const std::vector<double> x{-1, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    std::vector<float> found(4);
    REQUIRE(trees.predict(x.data(), 2, 1, kernels(""), found.data()));
    CHECK(found == std::vector{1.0F, 0.0F, 0.0F, 1.0F});
}

TEST_CASE("trees return no results for no rows, and refuse numbers beyond float32") {
    const Trees trees = made(chain());
    CHECK(trees.predict(static_cast<const double*>(nullptr), 0, 4, kernels(""), static_cast<float*>(nullptr)));
    std::vector<double> x(600 * kFeatures, 0.0);
    std::vector<float> found(600);
    std::vector<double> wide(600);
    for (const double bad : {1e39, -1e39, std::numeric_limits<double>::infinity()}) {
        x[2999] = bad;
        CHECK_FALSE(trees.predict(x.data(), 600, 2, kernels(""), found.data()));
        CHECK_FALSE(trees.predict(x.data(), 600, 1, kernels(""), wide.data()));
    }
    x[2999] = kNan;
    CHECK(trees.predict(x.data(), 600, 2, kernels(""), found.data()));
    std::vector<float> floats(kFeatures, -std::numeric_limits<float>::infinity());
    CHECK_FALSE(trees.predict(floats.data(), 1, 2, kernels(""), found.data()));
    CHECK_FALSE(trees.predict(floats.data(), 1, 2, kernels(""), wide.data()));
}

TEST_CASE("trees refuse parts that do not fit together") {
    CHECK_NOTHROW(made(chain()));
    const std::vector<std::function<void(Tables&)>> changes{
        [](Tables& t) { t.nodes[0].right = 2; },
        [](Tables& t) { t.nodes[0].right = ~3; },
        [](Tables& t) { t.nodes[0].right = 0; },
        [](Tables& t) { t.nodes[0].right = ~1; },
        [](Tables& t) { t.nodes[0].left = 1; },
        [](Tables& t) { t.nodes[1].left = 0; },
        [](Tables& t) { t.nodes[1].left = 1; },
        [](Tables& t) { t.nodes[1].left = ~0; },
        [](Tables& t) { t.nodes[1].left = ~2; },
        [](Tables& t) { t.nodes[1].left = std::numeric_limits<std::int32_t>::max(); },
        [](Tables& t) { t.nodes[1].left = std::numeric_limits<std::int32_t>::min(); },
        [](Tables& t) { t.nodes[1].feature = kFeatures; },
        [](Tables& t) { t.nodes[1].feature = -1; },
        [](Tables& t) { t.nodes[1].threshold = kNan; },
        [](Tables& t) { t.nodes[1].threshold = std::numeric_limits<double>::infinity(); },
        [](Tables& t) { t.nodes[1].nan = static_cast<NanGoes>(3); },
        [](Tables& t) { t.leaves[2] = kNan; },
        [](Tables& t) { t.leaves.pop_back(); },
        [](Tables& t) { t.nodes.pop_back(); },
        [](Tables& t) { t.leaf_starts = {0}; },
        [](Tables& t) { t.leaf_starts = {}; },
        [](Tables& t) { t.leaf_starts = {1, 3}; },
        [](Tables& t) { t.leaf_starts = {0, 2}; },
        [](Tables& t) { t.leaf_starts = {0, 1, 3}; },
        [](Tables& t) { t.leaf_starts = {0, 3, 3}; },
        [](Tables& t) { t.leaf_starts = {0, 4, 3}; },
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        CAPTURE(i);
        Tables tables = chain();
        changes[i](tables);
        CHECK_THROWS_AS(made(tables), std::invalid_argument);
    }
    for (const int classes : {1, 3, -1}) CHECK_THROWS_AS(made(chain(), classes, 3), std::invalid_argument);
    CHECK_THROWS_AS(made(chain(), 0, 0), std::invalid_argument);
    CHECK_THROWS_AS(made(chain(), 0, 2), std::invalid_argument);  // one tree, but two scores
    CHECK_NOTHROW(made(forest(6, 9, 3), 3, 3));
    CHECK_THROWS_AS(made(forest(7, 9, 3), 3, 3), std::invalid_argument);
    const Tables t = chain();
    CHECK_THROWS_AS(Trees(t.nodes, t.leaves, t.leaf_starts, 4, 0, plain(1)), std::invalid_argument);
    CHECK_THROWS_AS(Trees(t.nodes, t.leaves, t.leaf_starts, 5, 0, without_bounds({{0}, {0}, {0}})),
                    std::invalid_argument);
    CHECK_THROWS_AS(Trees(t.nodes, t.leaves, t.leaf_starts, 5, 2, {Link::identity, no_scaling(2), {0, 0}, {1, 1}}),
                    std::invalid_argument);
}
