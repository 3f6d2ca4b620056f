// workspace.hpp: the scratch of one thread, grown to the largest candidate that it meets.
//
// Threads: owned by one.
// Memory:  workspace_bytes() says how much. It grows with the rows of a batch and the widths of the layers. Of the rows of
//          the table only the order of a pass remains, 4 bytes per training row, and what roc_auc keeps (metrics.hpp).
// Cost:    prepare() allocates only what is larger than anything before, and frees what it replaces first; train()
//          allocates nothing, and evaluate() what its metric keeps, once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ash/data/aligned.hpp"
#include "ash/data/data.hpp"
#include "ash/model/layout.hpp"
#include "ash/model/settings.hpp"
#include "ash/train/metrics.hpp"

namespace ash {

inline constexpr std::int64_t kBlockRows = 64;  // rows of a batch that go through the network together
// Rows of a batch that a gradient takes in before the next tile of weights: their deltas, 64 bytes per row, stay in the
// first cache. The chain of additions goes on where it was, so the split changes no bit; 32 divides it (bfloat16.hpp).
inline constexpr std::int64_t kBlockTerms = 256;
inline constexpr std::int64_t kBlockWeights = 64;  // rows of weights with a gradient that is computed and used at once

// What the size of a workspace depends on, beside the settings.
struct TableSize {
    Shape shape;
    bool classifies;
    bool weighted;
    std::int64_t training_rows;
    EpochCut epochs;  // of the training rows
};
TableSize size_of(const Data& data);

// The epochs of these settings: those of the data, but the whole part at once where that is the batch.
EpochCut epochs_of(const Settings& settings, const Data& data);

// Rows an update of these settings sees: batch_size, at most an epoch.
std::int64_t batch_rows(const Settings& settings, const Data& data);

struct Workspace {
    Workspace() = default;
    Workspace(const Data& data, std::span<const Settings> candidates);  // large enough for each of them
    void prepare(const Data& data, const Settings& settings);
    void prepare_to_score(const Data& data, const Settings& settings);  // what evaluate() needs: no batch, no order
    void prepare_to_help(const Layout& layout);  // what a member of a team needs: gradient and rounded

    // B = rows of a batch, or kBlockRows if that is more, H = row_floats of the layout.
    AlignedFloats inputs;        // [B][stride of x], gathered or expanded; unused when the batch is the whole part
    AlignedFloats outputs;       // [B * H]: layer after layer [B][stride]
    AlignedFloats deltas;        // [B * H], the same shape: first the slopes of the activations, then the deltas
    AlignedFloats slopes;        // [B * H], where activations are parametric; others have theirs in deltas
    AlignedFloats excesses;      // [B * H], there too: propagation.hpp
    AlignedFloats targets;       // [B][target stride], gathered, regression
    AlignedFloats numbers;       // [B][stride of the embedding]
    AlignedFloats embedded;      // [B][padded(inputs of layer 0)]: x and what the embedding makes of it
    AlignedFloats input_deltas;  // [B][the same], and a line
    AlignedFloats copies;        // of the weights: layout.hpp
    AlignedFloats gradient;      // [kBlockWeights][widest stride], or of an embedding [kRows][kColumns]
    AlignedFloats rounded;       // factors of a product in bfloat16, where there is one
    AlignedFloats losses;        // [padded(B)]
    AlignedFloats predictions;   // [3][kBlockRows][padded(outputs)]: results, logits, scaled logits
    std::vector<std::int32_t> labels;  // [B], gathered, classification
    std::vector<float> weights;        // [B], gathered, where rows are weighted
    std::vector<std::uint32_t> order;  // [training rows], of the pass
    RunningScore score;                // of evaluate()

  private:
    template <typename Take>
    void each_buffer(const TableSize& table, const Settings& settings, Take take);
    void grow_to(const TableSize& table, const Settings& settings);

    friend std::int64_t workspace_bytes(const TableSize& table, std::span<const Settings> candidates);
};

// What a workspace allocates that serves each of these candidates, but for its score: RunningScore::bytes().
std::int64_t workspace_bytes(const TableSize& table, std::span<const Settings> candidates);

}  // namespace ash
