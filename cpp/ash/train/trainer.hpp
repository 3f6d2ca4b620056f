// trainer.hpp: trains one candidate for one job, in place in its state.
//
//     for each epoch: the next rows of the current pass, which is shuffled when it starts                 epoch_cut.hpp
//       for each batch:
//         (1) blocks of 64 rows: gather, forward, loss, backward pass       [writes rows]      propagation.hpp
//         (2) blocks of weight rows: gradient over the batch, update, W^T   [writes weights]
//
// A step is the work on one batch, and (1) and (2) are its two halves. A half starts only after the half before it has
// ended. Its blocks are disjoint, and no block reads what another block of the same half writes. A team can therefore
// share a job (team.hpp) without changing any bit of the results. Each element of a gradient is summed in row order,
// for any assignment of blocks to threads and any division of rows and weights into blocks. The sum is one chain of
// fused multiply-adds or, if factors are rounded to bfloat16, a sum over groups of 32 rows (bfloat16.hpp). The loss of
// an epoch is a sum in row order.
//
// Threads: a state and a workspace belong to one thread, and to its team during a shared step. Data, Settings and
//          Kernels are shared and const.
// Cost:    memory is allocated only in Workspace::prepare() and at the start of a job. The stop flag is read once per
//          block. A job that starts in the middle of a pass repeats the shuffle of the whole pass.
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
    const std::atomic<bool>* stop = nullptr;  // once set, train() returns after at most one block per thread
    std::span<double> losses = {};  // [epochs]: receives the loss of every epoch; empty if losses are not needed
    Team* team = nullptr;           // if set, other threads may join; the caller opens and closes it
};

struct Outcome {
    double loss = 0.0;      // mean loss of the last epoch's rows, with label smoothing, before each batch's update
    bool diverged = false;  // whether a loss or weight is not finite; if so, training ended with that epoch
    bool stopped = false;   // whether the flag stopped the job; if so, the state is not usable
};

// Runs one job, starting from `state`. The learning rate follows one cosine cycle over the epochs, unless the settings
// keep it constant. REQUIRES: the workspace is prepare()d for these settings.
Outcome train(const Data& data, const Settings& settings, const Training& training, const Kernels& kernels,
              State& state, Workspace& workspace);

}  // namespace ash
