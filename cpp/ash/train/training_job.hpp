// training_job.hpp: trains and scores a state for one job. The job may run in any process.
//
//     initial state, or state after a lower rung
//       ->  training for the rungs in between  ->  training for the job's own epochs  ->  scoring  ->  Result
//
// A result and the state after the job are functions of data, settings, rules, candidate and rung. So a job may be
// done, and repeated, by any thread, process or machine.
//
// Threads: a state and a workspace belong to one thread, and to its team; everything else is const.
// Cost:    the training of the epochs, plus one pass over the validation rows. Memory: the workspace; while a scorer is
//          called, 4 more bytes per output of each validation row.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/settings.hpp"
#include "ash/model/state.hpp"
#include "ash/search/ladder.hpp"
#include "ash/train/metrics.hpp"
#include "ash/train/team.hpp"
#include "ash/train/trainer.hpp"
#include "ash/train/workspace.hpp"

namespace ash {

// The result of a job. A job has diverged if its score or loss is not finite. Both are NaN if training diverged.
struct Result {
    double score = 0.0;
    double loss = 0.0;
    double training_loss = 0.0;
    std::uint64_t weights_hash = 0;  // digest of all parameters (digest.hpp); 0 if training diverged
    bool stopped = false;            // whether the flag stopped the job; if so, the other fields mean nothing
    int thread = -1;        // number of the thread that did the job in another process; -1 if the calling thread did it
    double seconds = -1.0;  // duration of a job done in another process; -1 if the calling thread did it
};

// Return the digest of one state's weights, or of the weights of all folds' states together.
std::uint64_t digest_of(const State& state);
std::uint64_t digest_of(std::span<const State> folds);

// Returns the seed of a fold. Fold 0 has the run's seed, so a run with one fold equals a run without folds.
inline std::uint64_t fold_seed(std::uint64_t seed, std::size_t fold) { return seed ^ (fold * 0x9E3779B97F4A7C15U); }

// Calls `of` for the folds in order and returns the mean of their results, or the first result that was stopped or has
// diverged. Appends the score of each fold to `scores`, except that of a result that was stopped or has diverged.
Result mean_of(int folds, const std::function<Result(int fold)>& of, std::vector<double>& scores);

// Returns the multiply-adds of one update of a network with these settings.
double step_cost(const Data& data, const Settings& settings);

// Checks that the settings suit the data. Throws std::invalid_argument for full batches of sparse rows, and for
// target_transform log if the data have no logarithms of targets.
void check_fits(const Settings& settings, const Data& data);

// Checks that the metric suits the data. Throws std::invalid_argument for a metric of the wrong task (classification or
// regression) and for the Poisson deviance if the data's loss is not Poisson.
void check_metric(Metric metric, const Data& data);

enum class Continuation : std::uint8_t { resume, restart };

// Scores a trained state by its predictions [validation rows][outputs] (evaluation.hpp), in place of a metric. Higher is
// better, and NaN counts as diverged. Several threads may call it at once.
using Scorer = std::function<double(const State& state, std::span<const double> predictions)>;

// The rules shared by all jobs of a run, or by all jobs of one of its folds.
struct JobRules {
    const Kernels& kernels;
    std::uint64_t seed;
    Continuation continuation = Continuation::resume;
    Metric metric = Metric::accuracy;
    std::int64_t min_epochs = 1;  // epochs of a job in the first rung
    std::int64_t eta = 2;
    Scorer scorer = {};  // if empty, jobs are scored by `metric`

    // Return the epochs of a job in this rung, and the total epochs of all rungs up to this one. Both throw
    // std::invalid_argument if the total exceeds 2^62, and for rules or rungs that are impossible in a ladder.
    std::int64_t epochs_of_job(std::int32_t rung) const;
    std::int64_t epochs_after(std::int32_t rung) const;

    // Returns the total epochs of a state after a job in this rung. If jobs restart, these are only the job's own
    // epochs.
    std::int64_t epochs_of_state(std::int32_t rung) const;
};

// Everything that one thread (and its team) needs to run a job once.
struct JobRun {
    const Data& data;
    const Settings& settings;
    const JobRules& rules;
    Job job;
    Workspace& scratch;  // REQUIRES: prepare()d for the settings
    const std::atomic<bool>* stop = nullptr;
    Team* team = nullptr;

    std::int64_t retrained = 0;  // number of epochs of lower rungs that were trained again

    State initial() const;

    // Trains the job's own epochs. If jobs resume, the lower rungs that the state skipped are trained first.
    Outcome train(State& state);

    // Calls train(), then scores the state unless it has diverged.
    Result train_and_score(State& state);
};

// Throws std::invalid_argument unless the arenas of an imported state match its layout and optimizer, and its number of
// updates is from 0 to 2^62.
void check_arenas(const State& state, const Settings& settings, std::int32_t candidate);

// Makes the same check as check_arenas(). Also checks that the state has rules.epochs_of_state(job.rung) epochs.
void check_state(const State& state, const Settings& settings, const JobRules& rules, const Job& job);

}  // namespace ash
