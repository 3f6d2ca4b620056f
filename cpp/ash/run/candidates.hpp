// candidates.hpp: the vector `candidates`: what each one is, how far it has been trained, and how a job trains it.
//
//     count  2^31 - 1 at most                            a job of rung k:   has its state  ->  train rung k, score
//     known  [ chunk | chunk | chu..  <- append()                           has none       ->  train rungs 0, 1, .. k
//
// Candidates is what the tuner knows of them; NetworkCandidates are the multilayer perceptrons of this project.
//
// Invariants:  (1) a state is written only by the job that its candidate runs and the team of that; a candidate runs
//                  one job at a time;
//              (2) a published state is never written again: the next job of its candidate goes on with a copy;
//              (3) resume: a job goes on from the state that the last one left; where that was dropped or never made
//                  here, the rungs that lie between it and what there is are trained first, each as the job it was, so
//                  the bits are the same. restart: each job begins with the initial state, and nothing is kept between
//                  jobs. The random stream depends on seed, candidate and epoch alone;
//              (4) no state, limit or drop has a part in cost(), nor in any result;
//              (5) settings of a known candidate are never written again and never move: they lie in chunks, and the
//                  vector of chunks has had its final length from the beginning.
// Threads:     train() and help() are called outside the critical section, all others inside. Who trains or helps was
//              told of the candidate in the critical section, after append() had known it; append() writes only what
//              is not known. States: store.hpp. Scratch belongs to one thread, which makes it before its first job.
//              All else is const.
// Cost:        memory: the states (store.hpp), about 250 bytes a known candidate, 8 bytes for each 4096 of
//              count(). Training again from scratch takes at most (eta^k - 1) / (eta - 1) * min_epochs epochs: with
//              eta 2, fewer than the job itself. A training step allocates nothing.

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/model/settings.hpp"
#include "ash/model/state.hpp"
#include "ash/run/store.hpp"
#include "ash/search/ladder.hpp"
#include "ash/train/metrics.hpp"
#include "ash/train/team.hpp"
#include "ash/train/training_job.hpp"
#include "ash/train/workspace.hpp"

namespace ash {

inline constexpr std::uint64_t kAnyHash = 0;  // of weights: not to be compared

// Throws std::runtime_error if the weights that a job has left once more have another hash than its result says.
void check_hash(const Job& job, std::uint64_t expected, std::uint64_t found);

// Of candidates with one fold.
inline States states_of_one(std::shared_ptr<const State> state) { return state ? States{std::move(state)} : States{}; }

class Candidates {
  public:
    virtual ~Candidates() = default;

    virtual std::int64_t count() const = 0;  // in all, also those still to be drawn
    virtual std::int64_t known() const = 0;  // from 0 on

    // The work of a job, in multiply-adds, resumed or not: cost.hpp. REQUIRES, here and below: the candidate is known.
    virtual double cost(const Job& job) const = 0;

    // The work of one update.
    virtual double step_cost(std::int32_t candidate) const = 0;

    // Trains and scores. team: the thread's own, open or not. REQUIRES: no other thread has this number, and none this
    // candidate.
    virtual Result train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) = 0;

    // Joins the team of another thread that trains this candidate.
    virtual Team::Help help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) = 0;

    // The states that the last job left, for good; none if it was recalled without. REQUIRES: the job has ended, and
    // wait() was not called since.
    virtual States publish(std::int32_t candidate) = 0;

    // The candidate waits, or has diverged: its state may be dropped. REQUIRES: as publish().
    virtual void wait(std::int32_t candidate, std::int32_t rung, double score, double loss) = 0;

    // There will be no further job: its state is freed. REQUIRES: it runs none.
    virtual void retire(std::int32_t candidate) = 0;

    virtual MemoryUse memory() const = 0;

    // The job has ended as it did in an earlier run, with these scores [folds] (none: it has diverged). Its state is
    // there again if it was restored.
    virtual void recall(const Job& /*job*/, std::span<const double> /*fold_scores*/) {}

    virtual int folds() const { return 1; }  // states a candidate

    // The states of a candidate that waits in this rung, for good; none if it does not, or has lost one.
    virtual States share(std::int32_t /*candidate*/, std::int32_t /*rung*/) { return {}; }

    // The states after this job, made from the beginning; none if it was stopped. Outside the critical section.
    // REQUIRES: no other thread has this number. Throws std::runtime_error if their weights have another hash.
    virtual States rebuild(const Job& /*job*/, std::uint64_t /*weights_hash*/, int /*thread*/,
                           const std::atomic<bool>& /*stop*/) {
        return {};
    }
};

// Predictions of the validation rows without padding, in the units of y, probabilities as they are: [rows][outputs].
void write_in_units(const Predictions& predictions, const Data& data, float* results);

class NetworkCandidates final : public Candidates {
  public:
    // first: those known by now, of `count` in all. min_epochs, eta: of the ladder. memory_limit: bytes of states; 0:
    // none. REQUIRES: data and kernels outlive this. Throws std::invalid_argument for settings out of range, for a
    // count out of 1..2^31 - 1 or below those that are known, or for a metric of the other task.
    NetworkCandidates(const Data& data, std::vector<Settings> first, std::int64_t count, Continuation continuation,
                      Metric metric, std::uint64_t seed, const Kernels& kernels, int threads, std::int64_t min_epochs,
                      std::int64_t eta, std::int64_t memory_limit, Scorer scorer = {});

    // More are known. Throws std::invalid_argument, and changes nothing, for settings out of range or too many.
    void append(std::vector<Settings> more);

    std::int64_t count() const override { return count_; }
    std::int64_t known() const override { return known_; }
    double cost(const Job& job) const override;
    double step_cost(std::int32_t candidate) const override;
    Result train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) override;
    Team::Help help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) override;
    States publish(std::int32_t candidate) override { return states_of_one(states_.publish(candidate)); }
    void wait(std::int32_t candidate, std::int32_t rung, double score, double loss) override;
    void retire(std::int32_t candidate) override { states_.release(candidate); }
    MemoryUse memory() const override;
    void recall(const Job& job, std::span<const double> fold_scores) override;
    States share(std::int32_t candidate, std::int32_t rung) override {
        return states_of_one(states_.share(candidate, rung));
    }
    States rebuild(const Job& job, std::uint64_t weights_hash, int thread, const std::atomic<bool>& stop) override;

    // A state, its layout aside, that this candidate had after a job in this rung: for when that is recalled. REQUIRES:
    // the tuner has not been started. Throws std::invalid_argument if it is not of this candidate's shape.
    void restore(std::int32_t candidate, std::int32_t rung, State state);

    // Of a job that is done elsewhere, in the thread that would train it: its state goes to work, null when there is
    // none; and what the job has left takes its place. Throws std::invalid_argument as restore() does.
    std::shared_ptr<const State> take(std::int32_t candidate) { return states_.take(candidate); }
    void receive(const Job& job, State state);

    // A state from elsewhere with the layout that it has here. Throws as receive().
    State checked(const Job& job, State state) const;

    // The numbers of one's predictions of the validation rows.
    std::size_t predictions() const { return static_cast<std::size_t>(data_.validation().count * data_.outputs()); }

    // The predictions (write_in_units) by which a job that has left this state was scored. Any thread, also while jobs run,
    // if the state is published; the scratch is its own.
    void predict(std::int32_t candidate, const State& state, Workspace& scratch, float* results) const;

  private:
    static constexpr std::int64_t kChunk = 4096;

    const Settings& settings(std::int64_t candidate) const;
    Layout layout(std::int32_t candidate) const;
    Workspace& workspace(int thread);
    std::shared_ptr<State> state_to_train(std::int32_t candidate);
    void put(std::int32_t candidate, State state);
    JobRun run_of(const Job& job, Workspace& scratch, const std::atomic<bool>& stop, Team* team) const;

    const Data& data_;
    const std::int64_t count_;
    const JobRules rules_;

    std::int64_t known_ = 0;                                           // critical section
    std::vector<std::unique_ptr<Settings[]>> chunks_;                  // [count / kChunk], rounded up
    std::vector<std::unique_ptr<Workspace>> workspaces_;               // [thread]
    std::map<std::pair<std::int32_t, std::int32_t>, State> restored_;  // by candidate and rung: not yet recalled
    StateStore states_;
    std::atomic<std::int64_t> retrained_epochs_{0};
};

}  // namespace ash
