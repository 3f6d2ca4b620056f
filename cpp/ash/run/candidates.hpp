// candidates.hpp: holds the candidates of a run (their settings and their states on every fold) and trains them in
// jobs.
//
//     settings  [ chunk | chunk | chu..  <- append()     a job of rung k   with a state     ->  train rung k, score
//     stores    fold 0 | fold 1 | ...                                      without a state  ->  train rungs 0, 1, .. k
//
//     job  ->  fold 0: state, train, score  ->  fold 1: ...  ->  fold K-1: ...  ->  mean of the scores, or diverged
//
// A job trains the folds one after the other and ends at the first fold that diverges. With a mailbox (mailbox.hpp),
// jobs are done in other processes: train() sends a job and waits for its answer. Everything else stays the same.
//
// Candidates that are not networks are external. Without a mailbox, an ExternalTrainer does their jobs, in the thread
// that runs the job. External candidates have no states in this object.
//
// Virtual:     cost(), step_cost(), train() and help() define what a job does. By overriding them, retrain.cpp runs
//              other jobs on the threads and teams of a tuner, and tests run jobs that sleep, fail or never end. An
//              object of a class that overrides all four needs no folds, so it holds no states.
// Invariants:  (1) a state is written only by the job of its candidate and that job's team; a candidate runs one job at
//                  a time;
//              (2) a published state is never written again: the next job of its candidate trains a copy;
//              (3) with Continuation::resume, a job continues from the state of the previous job. If that state was
//                  dropped or never existed in this process, the missing lower rungs are trained first. Each rung is
//                  trained as in its original job, so the states are bit-identical. With Continuation::restart, each
//                  job starts from the initial state, and the stores hold no state of a waiting candidate. Random
//                  numbers depend only on the seed, the candidate and the counters of its state;
//              (4) neither cost() nor any result depends on which states exist, on the memory limit, or on dropped
//                  states;
//              (5) settings of a known candidate are never written again and never move.
// Threads:     train() and help() are called outside the critical section, by threads to which the candidate was
//              assigned inside it. Any thread may call count(), folds(), checked(), predict(), fold_scores(), stop()
//              and, for a known candidate, cost(), step_cost(), is_external() and retraining(). While the tuner's
//              threads run, all other functions are called inside the critical section. A workspace belongs to one
//              thread, which creates the workspace before its first job. A mutex guards the scores of folds.
// Cost:        memory: data and states per fold, and about 250 bytes per known candidate. If the state for a job of
//              rung k is missing, retraining it takes at most (eta^k - 1) / (eta - 1) * min_epochs epochs. With eta 2,
//              these are fewer than the job's own epochs. A training step allocates no memory.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/model/settings.hpp"
#include "ash/model/state.hpp"
#include "ash/run/mailbox.hpp"
#include "ash/run/retrain.hpp"
#include "ash/run/store.hpp"
#include "ash/search/kept.hpp"
#include "ash/search/ladder.hpp"
#include "ash/train/metrics.hpp"
#include "ash/train/team.hpp"
#include "ash/train/training_job.hpp"
#include "ash/train/workspace.hpp"

namespace ash {

// A function that does a job of an external candidate. It returns nullopt if `stop` ended the job. Several threads may
// call it at once.
using ExternalTrainer = std::function<std::optional<Answer>(const Job& job, const std::atomic<bool>& stop)>;

// One fold of the data, with the rules for training and scoring networks on it.
struct Fold {
    const Data& data;
    JobRules rules;
};

// The scores of one job, one per fold in order.
struct FoldScores {
    Job job;
    std::vector<double> scores;
};

class Candidates {
  public:
    // first: the settings of the candidates known at the start. count: the total number of candidates. memory_limit:
    // bytes of states, divided evenly among the folds; 0 for no limit. REQUIRES: at least one fold; data and kernels
    // outlive this object. Throws std::invalid_argument for settings that are out of range or do not suit the data
    // (check_fits()), for a network too large for a Layout, for a count outside of 1..2^31 - 1 or below the number of
    // known candidates, for a negative limit, for a metric that does not suit the data (check_metric()), for folds
    // whose features or outputs differ from those of the first fold, and for an external candidate if there is neither
    // an ExternalTrainer nor a mailbox.
    Candidates(std::vector<Fold> folds, std::vector<Settings> first, std::int64_t count, int threads,
               std::int64_t memory_limit, std::shared_ptr<Mailbox> mailbox = nullptr, ExternalTrainer external = {});
    virtual ~Candidates() = default;

    // Adds candidates, which are known from now on. Throws std::invalid_argument, and changes nothing, if there are too
    // many candidates, or for settings, networks or external candidates that the constructor would refuse.
    void append(std::vector<Settings> more);

    std::int64_t count() const { return count_; }  // all candidates, including those still to be drawn
    std::int64_t known() const { return known_; }  // number of known candidates, which are 0 .. known() - 1
    int folds() const { return static_cast<int>(folds_.size()); }

    // Returns the multiply-adds of a job on all folds (cost.hpp), whether or not the job resumes a state.
    // REQUIRES, here and below: the candidate is known.
    virtual double cost(const Job& job) const;

    // Returns the multiply-adds of one update; 0 for an external candidate.
    virtual double step_cost(std::int32_t candidate) const;

    bool is_external(std::int32_t candidate) const { return !folds_.empty() && ash::is_external(settings(candidate)); }

    // Trains and scores a job. team: the team of `thread`, whether or not other threads may join it. REQUIRES: no other
    // thread uses this thread number or runs this candidate.
    virtual Result train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop);

    // Ends all waits for jobs done in other processes; these jobs count as stopped. Any thread may call it.
    void stop();

    // Joins another thread's team to help train this candidate.
    virtual Team::Help help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation);

    // Publishes and returns the candidate's states [folds] after its latest job. They are never written again. Returns
    // no states if any of them is missing. REQUIRES: the job has ended, and wait() has not been called since.
    States publish(std::int32_t candidate);

    // Call when the candidate waits for promotion or has diverged. From then on its states may be dropped. REQUIRES:
    // the same as publish().
    void wait(std::int32_t candidate, std::int32_t rung, double score, double loss);

    // Frees the states of a candidate that will have no further job. REQUIRES: the candidate runs no job.
    void retire(std::int32_t candidate);

    // Publishes the states [folds] of a candidate that waits in this rung. Returns no states if the candidate does not
    // wait there, or if any state is missing.
    States share(std::int32_t candidate, std::int32_t rung);

    MemoryUse memory() const;  // sums over all folds; peak_bytes is the sum of the folds' peaks

    // Sets the states [folds], without layouts, that this candidate had after a job in this rung. replay() of this job
    // will use them. Throws std::invalid_argument if they do not have this candidate's shape or the epochs of
    // this rung; for a candidate that is not known yet, replay() throws instead. REQUIRES: the tuner has not been
    // started.
    void restore(std::int32_t candidate, std::int32_t rung, std::vector<State> states);

    // Ends the job with the result of an earlier run. fold_scores: scores [folds] of the job; empty if it diverged.
    // Afterwards the candidate has the states that restore() set for this job, if any. Throws like restore().
    void replay(const Job& job, std::span<const double> fold_scores);

    // Returns one retraining job per fold. Together they recreate the states after `job` from the initial states.
    std::vector<RetrainJob> retraining(const Job& job) const;
    void count_retrained(std::int64_t epochs) { retrained_epochs_ += epochs; }

    // Checks recreated or received states [folds] after a job, and returns them with their layouts. Throws
    // std::invalid_argument like restore(), and std::runtime_error if the hash of their weights is not `weights_hash`.
    States checked(const Job& job, std::uint64_t weights_hash, std::vector<State> states) const;

    // Returns the scores of all jobs that have ended without diverging, in the order in which they ended.
    std::vector<FoldScores> fold_scores() const;

    // Recomputes, with `threads` threads, the predictions (evaluation.hpp) on which the kept states were scored.
    // results: [kept][validation rows of all folds, in order][outputs]. Jobs may run meanwhile. REQUIRES: `kept` is
    // from a tuner of these candidates, all its entries have states, and nothing is appended meanwhile.
    template <typename Result>  // float or double
    void predict(std::span<const Kept> kept, int threads, std::span<Result> results) const;

  protected:
    // Constructor for derived classes in which all candidates are known and there are no folds.
    explicit Candidates(std::int64_t count);

  private:
    static constexpr std::int64_t kChunk = 4096;

    const Settings& settings(std::int64_t candidate) const;
    Layout layout(std::int32_t candidate, std::size_t fold = 0) const;
    Workspace& workspace(int thread);
    std::shared_ptr<State> state_to_train(std::size_t fold, std::int32_t candidate);
    Result train_elsewhere(const Job& job);
    Result take(const Job& job, Answer answer);
    std::vector<State> restorable(const Job& job, std::vector<State> states) const;
    std::vector<State> with_layouts(const Job& job, std::vector<State> states) const;
    void put(std::int32_t candidate, std::vector<State> states);
    void release(std::int32_t candidate);
    void note(const Job& job, std::vector<double> scores);
    States gathered(const std::function<std::shared_ptr<const State>(StateStore& store)>& of);

    const std::int64_t count_;
    const std::vector<Fold> folds_;
    const std::int64_t memory_limit_ = 0;     // bytes of states over all folds; 0 for no limit
    const std::shared_ptr<Mailbox> mailbox_;  // null if jobs are done in this process
    const ExternalTrainer external_;          // empty if all candidates are networks

    std::int64_t known_ = 0;                              // guarded by the critical section
    std::vector<std::unique_ptr<Settings[]>> chunks_;     // [count / kChunk], rounded up; its length never changes
    std::vector<std::unique_ptr<Workspace>> workspaces_;  // [thread], created by the thread
    std::map<std::pair<std::int32_t, std::int32_t>, std::vector<State>> restored_;  // by candidate and rung
    std::deque<StateStore> stores_;  // [fold]: the states of all candidates
    std::atomic<std::int64_t> retrained_epochs_{0};
    mutable std::mutex mutex_;  // guards scores_
    std::vector<FoldScores> scores_;
};

}  // namespace ash
