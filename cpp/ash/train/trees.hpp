// trees.hpp: boosted trees stored as flat tables. They compute the same scores as LightGBM.
//
//     a row goes to the left child if its cell x <= threshold, else to the right; if x is NaN, the node gives the side
//     in a node of categories, a row goes left if its level's number is in the node's set, else, or if x is NaN, right
//     score k of a row = 0.0 + leaf of tree k + leaf of tree (k + K) + ..., in double, in this order; K scores per row
//
//     regression      the scores, converted to units of y (output_units.hpp)
//     two classes     one score s; probabilities are the softmax of 0 and s
//     more classes    one score per class; probabilities are their softmax
//
// Before the softmax, the center of its class is added to each class score, which corrects for class weights. Then all
// scores are multiplied by one common scale, which calibrates the probabilities.
//
// Invariants: a tree has one leaf more than nodes ("nodes" means inner nodes). The first node is the root. Every other
//             node and every leaf has exactly one parent, and every node precedes its children. A walk from the root
//             therefore ends in a leaf.
// Promise:    scores are bit-identical to LightGBM's raw scores. As in LightGBM, cells within +-1e-35 count as 0.
// Threads:    const after construction. Any number of threads may predict at once, and results do not depend on their
//             number.
// Cost:       24 bytes per node, 8 per leaf, 1 bit per level of a set; one look-up per row, tree and level. A block of
//             rows passes through one tree at a time, so the tree stays in the L1 cache. Several rows descend a tree
//             together, so their look-ups overlap.
#pragma once

#include <cstdint>
#include <vector>

#include "ash/data/output_units.hpp"
#include "ash/kernels/kernels.hpp"

namespace ash {

enum class NanGoes : std::uint8_t { as_zero, left, right, category };  // category: a node of categories

struct TreeNode {
    double threshold;  // in a node of categories, the number of its set
    std::int32_t feature;
    std::int32_t left;  // left child: if at least 0, node `left` of the tree, else its leaf ~left
    std::int32_t right;
    NanGoes nan;
};

// Sets of levels: set s has the words from starts[s] up to but not including starts[s + 1]. Bit b of the set's word w
// says whether level 32 w + b is in the set. The last word of a set is not 0.
struct LevelSets {
    std::vector<std::int64_t> starts{0};
    std::vector<std::uint32_t> words;
};

class Trees {
  public:
    // Tree t has the leaves from leaf_starts[t] up to but not including leaf_starts[t + 1]; its nodes start at
    // leaf_starts[t] - t. A node's side for NaN may be given as `as_zero`; the constructor replaces that value by the
    // side to which 0 goes. Throws std::invalid_argument unless the invariants hold, all numbers are finite, features
    // are below `features` and each score has the same number of trees.
    Trees(std::vector<TreeNode> nodes, std::vector<double> leaves, std::vector<std::int64_t> leaf_starts, int features,
          int classes, OutputUnits targets, LevelSets sets = {});

    // results [rows][outputs()], double or float: probabilities, or targets in the units of y, which need double if they
    // are far from 0. x: [rows][features()], double or float, with NaN as a missing value. Returns false, without
    // results, if x holds infinity or a value beyond the range of float32.
    template <typename Value, typename Result>
    bool predict(const Value* x, std::int64_t rows, int threads, const Kernels& kernels, Result* results) const;

    // Computes the scores [rows][scores()] before they become probabilities or targets. x and the returned value are as
    // in predict().
    template <typename Value>
    bool raw_scores(const Value* x, std::int64_t rows, int threads, double* scores) const;

    const std::vector<TreeNode>& nodes() const { return nodes_; }
    const std::vector<double>& leaves() const { return leaves_; }
    const std::vector<std::int64_t>& leaf_starts() const { return leaf_starts_; }
    std::int64_t trees() const { return std::ssize(leaf_starts_) - 1; }
    int features() const { return features_; }
    int classes() const { return classes_; }
    int outputs() const { return static_cast<int>(targets_.least.size()); }
    int scores() const { return classes_ == 2 ? 1 : outputs(); }
    const OutputUnits& targets() const { return targets_; }
    const LevelSets& sets() const { return sets_; }

  private:
    void check_sets() const;
    void check_tree(std::int64_t tree) const;
    template <bool kSets>
    void add_leaves(const double* rows, std::int64_t count, double* scores) const;
    template <typename Result>
    void to_results(const double* scores, std::int64_t rows, const Kernels& kernels, Result* results) const;
    template <typename Value, typename Put>
    bool for_blocks(const Value* x, std::int64_t rows, int threads, Put put) const;

    std::vector<TreeNode> nodes_;
    std::vector<double> leaves_;
    std::vector<std::int64_t> leaf_starts_;
    int features_;
    int classes_;
    OutputUnits targets_;
    LevelSets sets_;
};

}  // namespace ash
