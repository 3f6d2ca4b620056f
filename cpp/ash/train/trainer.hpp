// trainer.hpp: trains one candidate from a state to a state.
//
//     for each epoch: the next rows of a pass, shuffled at its beginning                                    epoch_cut.hpp
//       for each batch:
//         (1) blocks of 64 rows: gather, forward, loss, all deltas back     [writes rows]      propagation.hpp
//         (2) blocks of weight rows: gradient over all rows, update, W^T    [writes weights]
//
// The two halves of a step write disjoint blocks and read what the other has finished, so that a team can share a job
// (team.hpp) without a change in any bit: a gradient is one chain of fused multiply-adds in order of rows, on any thread
// and for any cut of rows and weights into blocks. The loss of a batch is a sum over rows in order.
//
// Threads: a state and a workspace belong to one thread, and to its team while that shares a step; Data, Settings and
//          Kernels are shared and const.
// Cost:    no allocation but in prepare() and at the beginning of a job; the stop flag is read once per block. A job
//          that begins in the middle of a pass shuffles all of that again.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "ash/data/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/settings.hpp"
#include "ash/model/state.hpp"
#include "ash/train/team.hpp"
#include "ash/train/workspace.hpp"

namespace ash {

struct Training {
    std::int64_t epochs;
    std::uint64_t seed;
    std::uint32_t candidate;
    const std::atomic<bool>* stop = nullptr;  // set: train() returns within a block of rows
    std::span<double> losses = {};            // [epochs], of every epoch, or empty
    Team* team = nullptr;                     // set: others may join; open()ed by the caller
};

struct Outcome {
    double loss = 0.0;      // mean over the rows of the last epoch, each at the weights it met, with label smoothing
    bool diverged = false;  // a loss or a weight is not finite; training ended with that epoch
    bool stopped = false;   // by the flag; the state is not usable
};

// One job: a cosine cycle of the learning rate over the epochs, from `state` on. REQUIRES: workspace.prepare()d for
// these settings.
Outcome train(const Data& data, const Settings& settings, const Training& training, const Kernels& kernels,
              State& state, Workspace& workspace);

}  // namespace ash
