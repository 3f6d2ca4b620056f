// folds.hpp: cross-validation: a job trains a candidate on every fold of the data, and its score is their mean.
//
//     job (candidate, rung) ->  fold 0: state, train, score  ->  fold 1: ...  ->  fold K-1: ...    mean, or diverged
//
// Each fold is a NetworkCandidates of its own, over its own rows and with its own states, so all that holds there holds
// here: what is resumed, dropped, retrained. A team of the job helps with whichever fold is under way.
//
// Order:       folds one after the other, sums in order of folds; the first fold that diverges ends the job.
// Seeds:       fold f trains with the seed xor f times an odd constant; fold 0 with the seed itself, so one fold is what
//              NetworkCandidates alone would be.
// Threads:     as Candidates; the scores of folds are guarded by a mutex.
// Cost:        K times the data, states and settings of one fold; the limit of bytes is shared out evenly.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/search/kept.hpp"

namespace ash {

// Of one job, in order of folds.
struct FoldScores {
    Job job;
    std::vector<double> scores;
};

// The result of a job, of those of its folds, which are asked for in order: their mean, or the first that was stopped or has
// diverged. scores: of each fold.
Result mean_of(int folds, const std::function<Result(int fold)>& of, std::vector<double>& scores);

// Of the weights of all folds: candidates.hpp.
std::uint64_t digest_of(const States& states);

class FoldedCandidates final : public Candidates {
  public:
    using Fold = std::unique_ptr<NetworkCandidates>;

    // REQUIRES: at least one fold, all of the same settings, count and continuation.
    explicit FoldedCandidates(std::vector<Fold> folds) : folds_(std::move(folds)) {}

    static std::uint64_t seed_of(std::uint64_t seed, std::size_t fold) { return seed ^ (fold * 0x9E3779B97F4A7C15U); }

    // As NetworkCandidates.
    void append(const std::vector<Settings>& more);

    std::int64_t count() const override { return folds_.front()->count(); }
    std::int64_t known() const override { return folds_.front()->known(); }
    double cost(const Job& job) const override;  // of all folds
    double step_cost(std::int32_t candidate) const override { return folds_.front()->step_cost(candidate); }
    Result train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) override;
    Team::Help help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) override;
    States publish(std::int32_t candidate) override;
    void wait(std::int32_t candidate, std::int32_t rung, double score, double loss) override;
    void retire(std::int32_t candidate) override;
    MemoryUse memory() const override;  // all folds together
    void recall(const Job& job, std::span<const double> fold_scores) override;
    int folds() const override { return static_cast<int>(folds_.size()); }
    States share(std::int32_t candidate, std::int32_t rung) override;
    States rebuild(const Job& job, std::uint64_t weights_hash, int thread, const std::atomic<bool>& stop) override;

    // As NetworkCandidates, of all folds. Throws std::invalid_argument also unless there is one state a fold.
    void restore(std::int32_t candidate, std::int32_t rung, std::vector<State> states);

    // Of a job that is done elsewhere: NetworkCandidates. take: none unless all folds have one.
    States take(std::int32_t candidate);
    void receive(const Job& job, std::vector<State> states);
    void note(const Job& job, std::vector<double> scores);

    // States from elsewhere with the layouts that they have here. Throws as restore().
    States checked(const Job& job, std::vector<State> states) const;

    // Of all jobs that have ended without diverging, in order of their end.
    std::vector<FoldScores> fold_scores() const;

    // results [kept][validation rows of all folds, in their order][outputs]: what each was scored by
    // (NetworkCandidates::predict), computed again, on so many threads. Jobs may run: no job writes a kept state.
    // REQUIRES: kept by a tuner of these candidates, to which nobody appends meanwhile.
    void predict(std::span<const Kept> kept, int threads, std::span<float> results) const;

  private:
    // What each fold gives, in their order; none where one gives none.
    States gathered(const std::function<States(NetworkCandidates& fold)>& of) const;

    const std::vector<Fold> folds_;
    mutable std::mutex mutex_;  // guards scores_
    std::vector<FoldScores> scores_;
};

}  // namespace ash
