// workspace.hpp: the scratch of one thread, grown to the largest candidate that it meets.
//
// Threads: owned by one.
// Cost:    prepare() allocates only what is larger than anything before; train() and evaluate() allocate nothing.
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

inline constexpr std::int64_t kBlockRows = 64;     // rows of a batch that go through the network together
inline constexpr std::int64_t kBlockWeights = 64;  // rows of weights with a gradient that is computed and used at once

// The epochs of these settings: those of the data, but the whole part at once where that is the batch.
EpochCut epochs_of(const Settings& settings, const Data& data);

// Rows an update of these settings sees: batch_size, at most an epoch.
std::int64_t batch_rows(const Settings& settings, const Data& data);

struct Workspace {
    Workspace() = default;
    Workspace(const Data& data, std::span<const Settings> candidates);  // large enough for each of them
    void prepare(const Data& data, const Settings& settings);
    void prepare_to_help(const Layout& layout);  // what a member of a team needs: the gradient alone
    void prepare_embedding(const Layout& layout, std::int64_t rows);  // where there is one

    // B = rows of a batch, V = rows of validation, H = row_floats of the layout.
    AlignedFloats inputs;              // [B][stride of x], gathered; unused when the batch is the whole part
    AlignedFloats outputs;             // [B * H]: layer after layer [B][stride]
    AlignedFloats deltas;              // [B * H], the same shape: first the slopes of the activations, then the deltas
    AlignedFloats slopes;              // [B * H], where activations are parametric; others have theirs in deltas
    AlignedFloats excesses;            // [B * H], there too: propagation.hpp
    AlignedFloats targets;             // [B][target stride], gathered, regression
    AlignedFloats numbers;             // [B][stride of the embedding]
    AlignedFloats embedded;            // [B][padded(inputs of layer 0)]: x and what the embedding makes of it
    AlignedFloats input_deltas;        // [B][the same], and a line
    AlignedFloats copies;              // of the weights: layout.hpp
    AlignedFloats gradient;            // [kBlockWeights][widest stride], or of an embedding [kRows][kColumns]
    AlignedFloats losses;              // [max(B, V)] a row
    AlignedFloats predictions;         // [V][padded(outputs)]
    std::vector<std::int32_t> labels;  // [B], gathered, classification
    std::vector<float> weights;        // [B], gathered, where rows are weighted
    std::vector<std::uint32_t> order;  // [training rows], of the pass
    MetricScratch metric;
};

}  // namespace ash
