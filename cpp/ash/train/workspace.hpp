// workspace.hpp: the scratch memory of one thread, large enough for the largest candidate of that thread so far.
//
// Threads: owned by one thread.
// Memory:  workspace_bytes(), which grows with the rows of a batch and the widths of the layers, plus
//          RunningScore::bytes(). Except for full batches, only two parts grow with the number of table rows: the row
//          order of a pass (4 bytes per training row) and the predictions that auc and average_precision keep
//          (metrics.hpp).
// Cost:    prepare() allocates only buffers that must grow, and frees each old buffer first. train() enlarges none of
//          these buffers. evaluate() allocates only memory of `score`, and only if it must grow.
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

inline constexpr std::int64_t kBlockRows = 64;  // rows of a batch that pass through the network together
// The number of batch rows that are added to the gradient of one tile of weights before the next tile is computed. The
// deltas that the tile reads, 64 bytes per row with AVX2, stay in the L1 cache. Each chain of additions continues from
// the previous block, so the split changes no bit. kBlockTerms is a multiple of 32, the group size of bfloat16.hpp.
inline constexpr std::int64_t kBlockTerms = 256;
inline constexpr std::int64_t kBlockWeights = 64;  // weight rows whose gradient is computed and applied at once

// The properties of a table that, together with the settings, determine the size of a workspace.
struct TableSize {
    Shape shape;
    bool classifies;
    bool weighted;
    std::int64_t training_rows;
    EpochCut epochs;  // how training rows are divided into epochs
};
TableSize size_of(const Data& data);

// Returns how training rows are divided into epochs: as given by the data, or with all rows in one epoch for full
// batches.
EpochCut epochs_of(const Settings& settings, const Data& data);

// Returns the number of rows of one update: batch_size, but at most the rows of an epoch; all training rows for full
// batches.
std::int64_t batch_rows(const Settings& settings, const Data& data);

struct Workspace {
    Workspace() = default;
    Workspace(const Data& data, std::span<const Settings> candidates);  // allocates enough for every candidate
    void prepare(const Data& data, const Settings& settings);
    void prepare_to_score(const Data& data, const Settings& settings);  // prepares only what evaluate() needs
    void prepare_to_help(const Layout& layout);  // prepares only `gradient` and `rounded`, for a team member

    // B = rows of a batch, at least kBlockRows; H = Layout::row_floats(), floats per row for the outputs of all layers.
    AlignedFloats inputs;              // [B][stride of x]: gathered rows, expanded if sparse; unused for full batches
    AlignedFloats outputs;             // [B * H]: layer after layer, each [B][stride]
    AlignedFloats deltas;              // [B * H], same shape: first the slopes of the activations, then the deltas
    AlignedFloats slopes;              // [B * H], for parametric activations; other slopes are in deltas
    AlignedFloats excesses;            // [B * H], for parametric activations: propagation.hpp
    AlignedFloats targets;             // [B][target stride], gathered, for regression
    AlignedFloats numbers;             // [B][stride of the embedding]: values of the features to embed, copied from x
    AlignedFloats embedded;            // [B][padded(inputs of layer 0)]: each row of x, followed by its embedded values
    AlignedFloats input_deltas;        // [B][stride of `embedded`], plus one cache line
    AlignedFloats copies;              // copies of the weights: layout.hpp
    AlignedFloats gradient;            // [kBlockWeights][widest stride], or [kRows][kColumns] of an embedding
    AlignedFloats rounded;             // factors of products, rounded to bfloat16; empty without such products
    AlignedFloats losses;              // [padded(B)]
    AlignedFloats predictions;         // [3][kBlockRows][padded(outputs)]: results, logits, scaled logits
    std::vector<std::int32_t> labels;  // [B], gathered, for classification
    std::vector<float> weights;        // [B], gathered, if rows are weighted
    std::vector<std::uint32_t> order;  // [training rows], order of the current pass
    RunningScore score;                // used by evaluate()

  private:
    template <typename Take>
    void each_buffer(const TableSize& table, const Settings& settings, Take take);
    void grow_to(const TableSize& table, const Settings& settings);

    friend std::int64_t workspace_bytes(const TableSize& table, std::span<const Settings> candidates);
};

// Returns the bytes allocated by a workspace that serves each of these candidates, without the memory of its `score`
// (RunningScore::bytes()).
std::int64_t workspace_bytes(const TableSize& table, std::span<const Settings> candidates);

}  // namespace ash
