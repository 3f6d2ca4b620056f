// candidates.hpp: the candidates of a run: their settings, their states on every fold, and how a job trains them.
//
//     settings  [ chunk | chunk | chu..  <- append()     a job of rung k:  has its state  ->  train rung k, score
//     stores    fold 0 | fold 1 | ...                                      has none       ->  train rungs 0, 1, .. k
//
//     job  ->  fold 0: state, train, score  ->  fold 1: ...  ->  fold K-1: ...  ->  mean of the scores, or diverged
//
// A job trains the folds one after the other; the first fold that diverges ends it. With a mailbox (mailbox.hpp) jobs
// are done elsewhere: train() sends them and waits, and all else stays the same.
//
// Candidates that are not networks are external: an ExternalTrainer does their jobs, in the thread that runs the job.
// They have no states here.
//
// Virtual:     cost(), step_cost(), train() and help(), which define what a job is. retrain.cpp runs other jobs with
//              the same threads and teams, and tests run jobs that sleep, fail or never end. A class that overrides all
//              four has no folds, so it holds no states.
// Invariants:  (1) a state is written only by the job of its candidate and the team of that job; a candidate runs one
//                  job at a time;
//              (2) a published state is never written again: the next job of its candidate trains a copy;
//              (3) resume: a job continues from the state that the last one left. If that was dropped or never made
//                  here, the rungs in between are trained first, each as the job it was, so the bits are the same.
//                  restart: each job begins with the initial state, and none is kept. The random stream depends on
//                  seed, candidate and epoch alone;
//              (4) neither cost() nor any result depends on states, limits or drops;
//              (5) settings of a known candidate are never written again and never move.
// Threads:     train() and help() are called outside of the critical section, by threads that got the candidate inside
//              it; checked(), predict() and fold_scores() by any thread; all others inside. A workspace belongs to one
//              thread, which makes it before its first job. A mutex guards the scores of folds.
// Cost:        data and states per fold; about 250 bytes per known candidate. To train a state again takes at most
//              (eta^k - 1) / (eta - 1) * min_epochs epochs: with eta 2, fewer than the job itself. A step allocates nothing.

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

// Does a job of an external candidate. Returns nullopt if `stop` ended it. Several threads may call it at once.
using ExternalTrainer = std::function<std::optional<Answer>(const Job& job, const std::atomic<bool>& stop)>;

// A part of the data, and how networks are trained and scored on it.
struct Fold {
    const Data& data;
    JobRules rules;
};

// The scores of one job, in order of folds.
struct FoldScores {
    Job job;
    std::vector<double> scores;
};

class Candidates {
  public:
    // first: the candidates known at the beginning, of `count` in all. memory_limit: bytes of states, divided evenly
    // among the folds; 0: none. REQUIRES: at least one fold; data and kernels outlive this. Throws
    // std::invalid_argument for settings out of range or a network too large for a Layout, for a count outside of
    // 1..2^31 - 1 or less than the known candidates, for a negative limit, for a metric of the other task, for folds of
    // other features or outputs than the first, or for an external candidate without an ExternalTrainer.
    Candidates(std::vector<Fold> folds, std::vector<Settings> first, std::int64_t count, int threads,
               std::int64_t memory_limit, std::shared_ptr<Mailbox> mailbox = nullptr, ExternalTrainer external = {});
    virtual ~Candidates() = default;

    // Adds known candidates. Throws std::invalid_argument, and changes nothing, for settings out of range, networks too
    // large for a Layout, or too many candidates.
    void append(std::vector<Settings> more);

    std::int64_t count() const { return count_; }  // in all, including those still to be drawn
    std::int64_t known() const { return known_; }  // from 0 on
    int folds() const { return static_cast<int>(folds_.size()); }

    // The work of a job on all folds, in multiply-adds, resumed or not: cost.hpp. REQUIRES, here and below: the candidate
    // is known.
    virtual double cost(const Job& job) const;

    // The work of one update; 0 of an external candidate.
    virtual double step_cost(std::int32_t candidate) const;

    bool is_external(std::int32_t candidate) const { return !folds_.empty() && ash::is_external(settings(candidate)); }

    // Trains and scores. team: the thread's own, open or not. REQUIRES: no other thread has this number or runs this
    // candidate.
    virtual Result train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop);

    // Ends all waits for jobs that are done elsewhere: these count as stopped. Any thread may call it.
    void stop();

    // Joins the team of another thread that trains this candidate.
    virtual Team::Help help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation);

    // Publishes the states [folds] after the last job: they are never written again. None if one is missing. REQUIRES:
    // the job has ended, and wait() was not called since.
    States publish(std::int32_t candidate);

    // The candidate waits, or has diverged: its states may be dropped. REQUIRES: as publish().
    void wait(std::int32_t candidate, std::int32_t rung, double score, double loss);

    // The candidate will have no further job: frees its states. REQUIRES: it runs none.
    void retire(std::int32_t candidate);

    // Publishes the states [folds] of a candidate that waits in this rung. None if it does not wait there, or has lost
    // one.
    States share(std::int32_t candidate, std::int32_t rung);

    MemoryUse memory() const;  // all folds together

    // Gives the states [folds], without layouts, that this candidate had after a job in this rung, for its replay().
    // REQUIRES: the tuner has not been started. Throws std::invalid_argument if they are not of this candidate's shape.
    void restore(std::int32_t candidate, std::int32_t rung, std::vector<State> states);

    // Ends the job as it ended in an earlier run, with these scores [folds] (none: it has diverged). It has its states
    // if they were restored.
    void replay(const Job& job, std::span<const double> fold_scores);

    // The jobs that make the states of `job` from the beginning, one per fold.
    std::vector<RetrainJob> retraining(const Job& job) const;
    void count_retrained(std::int64_t epochs) { retrained_epochs_ += epochs; }

    // Returns the states [folds] after a job, made again or brought from elsewhere, with their layouts here. Throws
    // std::invalid_argument as restore() does, and std::runtime_error if their weights have another hash.
    States checked(const Job& job, std::uint64_t weights_hash, std::vector<State> states) const;

    // The scores of all jobs that have ended without diverging, in order of their end.
    std::vector<FoldScores> fold_scores() const;

    // results [kept][validation rows of all folds, in their order][outputs]: the predictions (evaluation.hpp) on which
    // the kept states were scored, computed again by `threads` threads. Jobs may run meanwhile. REQUIRES: kept by a tuner
    // of these candidates, to which nothing is appended meanwhile.
    void predict(std::span<const Kept> kept, int threads, std::span<float> results) const;

  protected:
    // All candidates are known, and they have no folds.
    explicit Candidates(std::int64_t count);

  private:
    static constexpr std::int64_t kChunk = 4096;

    const Settings& settings(std::int64_t candidate) const;
    Layout layout(std::int32_t candidate, std::size_t fold = 0) const;
    Workspace& workspace(int thread);
    std::shared_ptr<State> state_to_train(std::size_t fold, std::int32_t candidate);
    Result train_elsewhere(const Job& job);
    Result take(const Job& job, Answer answer);
    std::vector<State> with_layouts(const Job& job, std::vector<State> states) const;
    void put(std::int32_t candidate, std::vector<State> states);
    void release(std::int32_t candidate);
    void note(const Job& job, std::vector<double> scores);
    States gathered(const std::function<std::shared_ptr<const State>(StateStore& store)>& of);

    const std::int64_t count_;
    const std::vector<Fold> folds_;
    const std::int64_t memory_limit_ = 0;     // of all folds together
    const std::shared_ptr<Mailbox> mailbox_;  // null: jobs are done here
    const ExternalTrainer external_;          // empty: all candidates are networks

    std::int64_t known_ = 0;                              // critical section
    std::vector<std::unique_ptr<Settings[]>> chunks_;     // [count / kChunk], rounded up: its length never changes
    std::vector<std::unique_ptr<Workspace>> workspaces_;  // [thread]
    std::map<std::pair<std::int32_t, std::int32_t>, std::vector<State>> restored_;  // by candidate and rung
    std::deque<StateStore> stores_;                                                 // [fold]
    std::atomic<std::int64_t> retrained_epochs_{0};
    mutable std::mutex mutex_;  // guards scores_
    std::vector<FoldScores> scores_;
};

}  // namespace ash
