// retrain.hpp: trains networks again outside of the ladder, without scoring them.
//
//     refit: state of a kept candidate  ->  one more cycle of the learning rate, on all rows
//     completion: initial state of a kept candidate without a state in this process  ->  all rungs up to its kept rung
//
// Order:    a job's result depends only on its state, data, settings and rules, not on the order of jobs or on threads.
// Threads:  a separate tuner with one rung runs the jobs, so threads without a job help with running jobs (team.hpp).
//           The caller waits, and calls stop() every 20 ms.
// Cost:     the training of the epochs, and one workspace per thread.
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
    State state = {};                     // state to continue from; without weights, the job starts from scratch
    Outcome outcome = {.stopped = true};  // set by retrain(); `state` is usable if neither stopped nor diverged

    bool done() const { return !outcome.stopped && !outcome.diverged; }
};

// Runs the jobs. They are started in the order of `jobs`, as threads become free. The calling thread calls stop()
// immediately and then every 20 ms. If stop() returns true, the running jobs are stopped and no other job starts.
// REQUIRES: the state of each job fits the job's settings and the shape of the job's data. Rethrows an exception of a
// thread or of stop() after all threads have left. Jobs that had ended before the exception are complete.
void retrain(std::span<RetrainJob> jobs, int threads, const std::function<bool()>& stop);

}  // namespace ash
