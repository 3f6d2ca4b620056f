// evaluation.hpp: scores a state on the validation rows.
//
// The score is defined in metrics.hpp and computed from predicted probabilities, or from predicted targets in
// Data::units(). The loss decides between equal scores. Rows are weighted by the row weights. All sums are computed in
// a fixed order, so score and loss depend only on the data and the state.
//
// For a network trained with smoothed labels, the log loss is computed from calibrated probabilities: logits are
// multiplied by the factor that gives the lowest loss on the validation rows, plus a small penalty for factors far from
// 1. Smoothed labels make probabilities too uniform, so without calibration these networks could not win a comparison
// by log loss. The kept networks are calibrated in the same way (python/ash/models/model_pool.py).
//
// Threads: a workspace belongs to one thread; data and state are only read.
// Cost:    one forward pass. Each block of rows is predicted and scored before the next, so only the predictions that
//          the metric needs are kept (metrics.hpp). The calibrated log loss takes 21 more softmaxes per block. Memory
//          is allocated only if the workspace's running score must grow.
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
    double score = 0.0;    // higher is better
    double loss = 0.0;     // uncalibrated mean cross-entropy; for regression, mean loss of targets in Data::units()
    bool stopped = false;  // whether the flag stopped the evaluation; if so, score and loss mean nothing
};

// stop: once the flag is set, evaluate() returns after at most one more block of rows or one more ranked class.
// predictions: if not null, receives [validation rows][outputs], float or double: probabilities, or targets in the units
// of y.
// REQUIRES: the workspace is prepared for these settings, at least by prepare_to_score(), and the state was trained
// with these settings.
template <typename Result = float>
Evaluation evaluate(const Data& data, const Settings& settings, const State& state, Metric metric,
                    const Kernels& kernels, const std::atomic<bool>* stop, Workspace& workspace,
                    Result* predictions = nullptr);

}  // namespace ash
