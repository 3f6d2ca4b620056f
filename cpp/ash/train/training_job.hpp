// training_job.hpp: how a job trains and scores a state, whoever does it, wherever that is.
//
//     state of some rung below, or the initial one  ->  the rungs that lie between  ->  the job's own epochs  ->  Result
//
// A result and the state that it leaves are functions of data, settings, rules, candidate and rung: so a job may be done by
// any thread, process or machine, and done again.
//
// Threads: a state and a workspace belong to one thread, and to its team; all else is const.
// Cost:    that of the epochs, and one pass over the validation rows; memory is the workspace's.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

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

// How a job ended. Diverged: score and loss are NaN.
struct Result {
    double score = 0.0;
    double loss = 0.0;
    double training_loss = 0.0;
    std::uint64_t weights_hash = 0;  // digest.hpp: of all weights and biases; 0: diverged
    bool stopped = false;            // by the flag: there is no result
    int thread = -1;                 // that did it; -1: the one that was asked
    double seconds = -1.0;           // that it took there; -1: since that was asked
};

std::uint64_t digest_of(const State& state);  // of the weights

enum class Continuation : std::uint8_t { resume, restart };

// Scores a trained state by its predictions of the validation rows (evaluation.hpp) in place of a metric; higher is
// better, NaN counts as diverged. Called by any thread, several at once.
using Scorer = std::function<double(const State& state, const Predictions& predictions)>;

// What all jobs of a run, or of a fold of it, have in common.
struct JobRules {
    Continuation continuation;
    Metric metric;
    std::uint64_t seed;
    std::int64_t min_epochs;  // of the ladder
    std::int64_t eta;
    const Kernels& kernels;
    Scorer scorer;  // empty: the metric

    std::int64_t epochs_after(std::int32_t rung) const;  // of all rungs up to this one

    // That a state has behind it after a job in this rung.
    std::int64_t epochs_of_state(std::int32_t rung) const;
};

// A job as one thread does it.
struct JobRun {
    const Data& data;
    const Settings& settings;
    const JobRules& rules;
    Job job;
    Workspace& scratch;  // REQUIRES: prepare()d for the settings
    const std::atomic<bool>* stop = nullptr;
    Team* team = nullptr;

    std::int64_t retrained = 0;  // epochs of the rungs below that were trained once more

    State initial() const;

    // The rungs below the job's that the state has not been through, and then its own.
    Outcome train(State& state);

    // The same, and the score of what has not diverged.
    Result train_and_score(State& state);
};

// Throws std::invalid_argument unless the arenas of a state that comes from outside are of its layout and optimizer, and its
// epochs are those after the rung.
void check_state(const State& state, const Settings& settings, const JobRules& rules, const Job& job);

}  // namespace ash
