// retrain.hpp: jobs outside of the ladder: trains networks once more, without scoring them.
//
//     refit: the state of a kept candidate  ->  one more cycle of the learning rate, on all rows
//     a kept candidate whose earlier run left no state: initial state  ->  all rungs up to the kept one
//
// Order:    a job is a function of its state, data, settings and rules, so neither order nor threads matter.
// Threads:  a tuner of its own with one rung runs the jobs, so threads without a job help the others (team.hpp). The
//           caller waits, and asks stop() every few milliseconds.
// Cost:     that of the epochs, and one workspace per thread.
#pragma once

#include <functional>
#include <span>

#include "ash/data/data.hpp"
#include "ash/model/settings.hpp"
#include "ash/model/state.hpp"
#include "ash/search/ladder.hpp"
#include "ash/train/trainer.hpp"
#include "ash/train/training_job.hpp"

namespace ash {

struct RetrainJob {
    const Data& data;
    const Settings& settings;
    const JobRules& rules;
    Job job;
    State state = {};                     // to continue from; without weights: the initial one
    Outcome outcome = {.stopped = true};  // set once run; the state is usable unless it was stopped or has diverged

    bool done() const { return !outcome.stopped && !outcome.diverged; }
};

// Runs the jobs, in this order as threads become free. The calling thread calls stop() at once and then every few
// milliseconds; true ends all jobs, running or not. REQUIRES: each state is of its data's shape and settings. Throws
// what a thread or stop() throws, once all threads have left; jobs that had ended by then are done.
void retrain(std::span<RetrainJob> jobs, int threads, const std::function<bool()>& stop);

}  // namespace ash
