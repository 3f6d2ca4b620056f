#include "ash/train/trees.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "ash/data/aligned.hpp"
#include "ash/data/require.hpp"
#include "ash/data/shape.hpp"
#include "ash/train/denormals.hpp"
#include "ash/train/parallel.hpp"

namespace ash {
namespace {

constexpr std::int64_t kRows = 256;    // rows per block; large, since each block reads the whole model from memory
constexpr std::int64_t kTogether = 8;  // number of rows that descend a tree together, step by step

bool all_finite(const std::vector<double>& values) {
    return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

NanGoes side_of_nan(const TreeNode& node) {
    if (node.nan != NanGoes::as_zero) return node.nan;
    return 0.0 <= node.threshold ? NanGoes::left : NanGoes::right;
}

// Copies cells, with those within +-1e-35 replaced by 0. Returns whether every cell is missing or within the range of
// float32.
template <typename Value>
bool copy_cells(const Value* from, std::int64_t count, double* to) {
    constexpr double kMost = std::numeric_limits<float>::max();
    constexpr double kZero = 1e-35F;  // LightGBM's limit, a float32 constant
    bool beyond = false;
    for (std::int64_t i = 0; i < count; ++i) {
        const double x = from[i];
        beyond |= (x > kMost) | (x < -kMost);
        to[i] = ((x <= kZero) & (x >= -kZero)) ? 0.0 : x;
    }
    return !beyond;
}

bool contains(const LevelSets& sets, double set, double x) {
    const auto number = static_cast<std::size_t>(set);
    const std::int64_t first = sets.starts[number];
    const std::int64_t words = sets.starts[number + 1] - first;
    if (!(x > -1.0 && x < 32.0 * static_cast<double>(words))) return false;  // also if x is NaN
    const auto level = static_cast<std::uint32_t>(x);                        // truncated as in LightGBM
    return ((sets.words[static_cast<std::size_t>(first + level / 32)] >> (level % 32)) & 1U) != 0;
}

// Without kSets there are no nodes of categories.
template <bool kSets>
std::int32_t child(const TreeNode& node, double x, const LevelSets& sets) {
    if constexpr (kSets) {
        if (node.nan == NanGoes::category) return contains(sets, node.threshold, x) ? node.left : node.right;
    }
    const bool left = (x <= node.threshold) | (std::isnan(x) & (node.nan == NanGoes::left));
    return left ? node.left : node.right;
}

template <bool kSets>
std::int32_t leaf_of(const TreeNode* nodes, const double* row, const LevelSets& sets) {
    std::int32_t at = 0;
    while (at >= 0) at = child<kSets>(nodes[at], row[nodes[at].feature], sets);
    return ~at;
}

// Finds the leaf that each of kTogether rows reaches in a tree. Successive rows are `stride` numbers apart.
template <bool kSets>
void leaves_of(const TreeNode* nodes, const double* rows, std::int64_t stride, const LevelSets& sets,
               std::array<std::int32_t, kTogether>& at) {
    at.fill(0);
    bool walking = true;
    while (walking) {
        walking = false;
        const double* row = rows;
        for (std::int32_t& place : at) {
            const TreeNode& node = nodes[std::max(place, 0)];
            const std::int32_t next = child<kSets>(node, row[node.feature], sets);
            place = place < 0 ? place : next;
            walking |= place >= 0;
            row += stride;
        }
    }
    for (std::int32_t& place : at) place = ~place;
}

}  // namespace

Trees::Trees(std::vector<TreeNode> nodes, std::vector<double> leaves, std::vector<std::int64_t> leaf_starts,
             int features, int classes, OutputUnits targets, LevelSets sets)
    : nodes_(std::move(nodes)),
      leaves_(std::move(leaves)),
      leaf_starts_(std::move(leaf_starts)),
      features_(features),
      classes_(classes),
      targets_(std::move(targets)),
      sets_(std::move(sets)) {
    require(features >= 1, "features: at least 1 is required");
    require(outputs() >= 1, "targets: at least 1 is required");
    check_units(targets_, outputs(), classes);
    require(leaf_starts_.size() >= 2 && trees() % scores() == 0,
            "trees: their number must be a positive multiple of the number of scores");
    require(leaf_starts_.front() == 0 && leaf_starts_.back() == std::ssize(leaves_) &&
                std::ssize(leaves_) - trees() == std::ssize(nodes_) &&
                std::ranges::adjacent_find(leaf_starts_, std::ranges::greater_equal{}) == leaf_starts_.end(),
            "trees: wrong numbers of leaves");
    require(all_finite(leaves_), "leaves: not finite");
    check_sets();
    for (std::int64_t tree = 0; tree < trees(); ++tree) check_tree(tree);
    for (TreeNode& node : nodes_) node.nan = side_of_nan(node);
}

void Trees::check_sets() const {
    const std::vector<std::int64_t>& starts = sets_.starts;
    require(!starts.empty() && starts.front() == 0 && starts.back() == std::ssize(sets_.words) &&
                std::ranges::adjacent_find(starts, std::ranges::greater_equal{}) == starts.end(),
            "sets: wrong numbers of words");
    for (std::size_t set = 1; set < starts.size(); ++set)
        require(sets_.words[static_cast<std::size_t>(starts[set] - 1)] != 0, "sets: the last word is 0");
}

void Trees::check_tree(std::int64_t tree) const {
    const std::int64_t first = leaf_starts_[static_cast<std::size_t>(tree)];
    const std::int64_t leaves = leaf_starts_[static_cast<std::size_t>(tree) + 1] - first;
    require(leaves <= std::numeric_limits<std::int32_t>::max(), "trees: too many leaves");
    std::vector<bool> reached(static_cast<std::size_t>(2 * leaves - 1));  // one flag per leaf, then one flag per node
    const auto reach = [&](std::int64_t parent, std::int64_t place) {
        require(place < leaves - 1 && place >= -leaves, "trees: a child that does not exist");
        require(place < 0 || place > parent, "trees: a child before its parent");
        const auto number = static_cast<std::size_t>(place < 0 ? ~place : leaves + place);
        require(!reached[number], "trees: a child of two parents");
        reached[number] = true;
    };
    for (std::int64_t place = 0; place < leaves - 1; ++place) {
        const TreeNode& node = nodes_[static_cast<std::size_t>(first - tree + place)];
        require(node.feature >= 0 && node.feature < features_, "trees: a feature that does not exist");
        require(std::isfinite(node.threshold), "thresholds: not finite");
        require(node.nan <= NanGoes::category, "trees: missing must be 0, 1, 2 or 3");
        require(node.nan != NanGoes::category || (node.threshold >= 0 && node.threshold == std::floor(node.threshold) &&
                                                  node.threshold < static_cast<double>(sets_.starts.size() - 1)),
                "trees: a set that does not exist");
        reach(place, node.left);
        reach(place, node.right);
    }
}

// Adds the values of the leaves that each row reaches, one leaf per tree, to the scores of at most kRows rows.
template <bool kSets>
void Trees::add_leaves(const double* rows, std::int64_t count, double* scores) const {
    const std::int64_t stride = features_;
    const std::int64_t columns = this->scores();
    for (std::int64_t tree = 0; tree < trees(); ++tree) {
        const std::int64_t first = leaf_starts_[static_cast<std::size_t>(tree)];
        const double* leaves = leaves_.data() + first;
        double* score = scores + tree % columns;
        if (leaf_starts_[static_cast<std::size_t>(tree) + 1] - first == 1) {
            for (std::int64_t row = 0; row < count; ++row) score[row * columns] += leaves[0];
            continue;
        }
        const TreeNode* nodes = nodes_.data() + (first - tree);
        std::int64_t row = 0;
        for (std::array<std::int32_t, kTogether> at; row + kTogether <= count; row += kTogether) {
            leaves_of<kSets>(nodes, rows + row * stride, stride, sets_, at);
            for (std::int64_t i = 0; i < kTogether; ++i)
                score[(row + i) * columns] += leaves[at[static_cast<std::size_t>(i)]];
        }
        for (; row < count; ++row) score[row * columns] += leaves[leaf_of<kSets>(nodes, rows + row * stride, sets_)];
    }
}

// Calls put(first row, rows, scores) for every block, on any of the threads. Returns false if a cell is beyond the
// range of float32.
template <typename Value, typename Put>
bool Trees::for_blocks(const Value* x, std::int64_t rows, int threads, Put put) const {
    const std::int64_t blocks = (rows + kRows - 1) / kRows;
    const auto team = static_cast<int>(std::clamp<std::int64_t>(blocks, 1, threads));
    std::atomic<bool> within = true;
    on_threads(team, [&](int thread) {
        const std::int64_t most = std::min(rows, kRows);
        std::vector<double> cells(static_cast<std::size_t>(most * features_));
        std::vector<double> scores(static_cast<std::size_t>(most * this->scores()));
        // Each thread processes every `team`-th block; a row's results depend only on that row.
        for (std::int64_t block = thread; block < blocks && within; block += team) {
            const std::int64_t first = block * kRows;
            const std::int64_t count = std::min(kRows, rows - first);
            if (!copy_cells(x + first * features_, count * features_, cells.data())) {
                within = false;
                return;
            }
            std::ranges::fill(scores, 0.0);
            if (sets_.words.empty())
                add_leaves<false>(cells.data(), count, scores.data());
            else
                add_leaves<true>(cells.data(), count, scores.data());
            put(first, count, scores.data());
        }
    });
    return within;
}

template <typename Result>
void Trees::to_results(const double* scores, std::int64_t rows, const Kernels& kernels, Result* results) const {
    const FlushDenormals flush;  // denormals are flushed as in networks
    const std::int64_t columns = outputs();
    if (classes_ == 0) {
        to_targets(kernels, targets_, scores, rows, columns, [&](std::int64_t row, std::int64_t o, double target) {
            results[row * columns + o] = static_cast<Result>(target);
        });
        return;
    }
    constexpr double kLeast = -1000.0;  // lower limit of logits; e^-1000 is 0 in float
    const double factor = targets_.scaling.scale.front();
    const std::int64_t stride = padded(columns);
    AlignedFloats logits(rows * stride);
    for (std::int64_t row = 0; row < rows; ++row) {
        const double* of_row = scores + row * this->scores();
        const auto score = [&](std::int64_t o) {
            const double raw = classes_ > 2 ? of_row[o] : (o == 0 ? 0.0 : of_row[0]);
            return raw + targets_.scaling.center[static_cast<std::size_t>(o)];
        };
        double top = score(0);
        for (std::int64_t o = 1; o < columns; ++o) top = std::max(top, score(o));
        // The largest score is subtracted in double, so that only the differences are rounded to float.
        for (std::int64_t o = 0; o < columns; ++o)
            logits.data()[row * stride + o] = static_cast<float>(std::max(factor * (score(o) - top), kLeast));
    }
    kernels.softmax(logits.data(), nullptr, 0.0F, nullptr, {rows, columns, stride});
    for (std::int64_t row = 0; row < rows; ++row)
        std::copy_n(logits.data() + row * stride, columns, results + row * columns);
}

template <typename Value, typename Result>
bool Trees::predict(const Value* x, std::int64_t rows, int threads, const Kernels& kernels, Result* results) const {
    return for_blocks(x, rows, threads, [&](std::int64_t first, std::int64_t count, const double* scores) {
        to_results(scores, count, kernels, results + first * outputs());
    });
}

template <typename Value>
bool Trees::raw_scores(const Value* x, std::int64_t rows, int threads, double* scores) const {
    const std::int64_t columns = this->scores();
    return for_blocks(x, rows, threads, [&](std::int64_t first, std::int64_t count, const double* found) {
        std::copy_n(found, count * columns, scores + first * columns);
    });
}

template bool Trees::predict(const double*, std::int64_t, int, const Kernels&, float*) const;
template bool Trees::predict(const float*, std::int64_t, int, const Kernels&, float*) const;
template bool Trees::predict(const double*, std::int64_t, int, const Kernels&, double*) const;
template bool Trees::predict(const float*, std::int64_t, int, const Kernels&, double*) const;
template bool Trees::raw_scores(const double*, std::int64_t, int, double*) const;
template bool Trees::raw_scores(const float*, std::int64_t, int, double*) const;

}  // namespace ash
