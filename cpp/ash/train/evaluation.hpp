// evaluation.hpp: scores a state on the validation rows.
//
// The score is that of metrics.hpp, on probabilities or on targets in Data::units(); the loss breaks its ties. Both are sums
// in order of rows, each row as often as it counts, so they depend on nothing but data and weights.
//
// The log loss of a network that was trained with smoothed labels is that of calibrated probabilities: logits are
// multiplied by the factor that suits the validation rows best. Otherwise such networks could not win, since smoothed
// labels make probabilities too even; those that are kept are calibrated (python/ash/models/model_pool.py).
//
// Threads: a workspace belongs to one; data and state are read.
// Cost:    one forward pass, a block of rows at a time, which is scored before the next: no prediction is kept, but what
//          the metric keeps (metrics.hpp). The calibrated log loss takes 21 more softmaxes. Nothing is allocated
//          once the workspace has served that metric.
#pragma once

#include <atomic>

#include "ash/data/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/settings.hpp"
#include "ash/model/state.hpp"
#include "ash/train/metrics.hpp"
#include "ash/train/workspace.hpp"

namespace ash {

struct Evaluation {
    double score = 0.0;  // higher is better
    double loss = 0.0;   // the mean cross-entropy as it is, or the loss of the targets in Data::units()
    bool stopped = false;
};

// stop, if set: returns within a block of rows. predictions, if set: [validation rows][outputs], probabilities or
// targets in the units of y, are written there. REQUIRES: the workspace is prepared, to score at least, for these settings,
// which are those of the state.
Evaluation evaluate(const Data& data, const Settings& settings, const State& state, Metric metric,
                    const Kernels& kernels, const std::atomic<bool>* stop, Workspace& workspace,
                    float* predictions = nullptr);

}  // namespace ash
