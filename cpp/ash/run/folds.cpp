#include "ash/run/folds.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>
#include <utility>

#include "ash/train/parallel.hpp"

namespace ash {

namespace {

std::uint64_t with_fold(std::uint64_t hash, std::uint64_t of_fold) { return std::rotl(hash, 1) ^ of_fold; }

}  // namespace

void FoldedCandidates::append(const std::vector<Settings>& more) {
    for (const Fold& fold : folds_) fold->append(more);
}

double FoldedCandidates::cost(const Job& job) const {
    double sum = 0.0;
    for (const Fold& fold : folds_) sum += fold->cost(job);
    return sum;
}

std::uint64_t digest_of(const States& states) {
    std::uint64_t hash = 0;
    for (const std::shared_ptr<const State>& state : states) hash = with_fold(hash, digest_of(*state));
    return hash;
}

Result mean_of(int folds, const std::function<Result(int fold)>& of, std::vector<double>& scores) {
    Result mean;
    for (int fold = 0; fold < folds; ++fold) {
        const Result one = of(fold);
        if (one.stopped || is_diverged(one.score, one.loss)) return one;
        mean.score += one.score;
        mean.loss += one.loss;
        mean.training_loss += one.training_loss;
        mean.weights_hash = with_fold(mean.weights_hash, one.weights_hash);
        scores.push_back(one.score);
    }
    mean.score /= folds;
    mean.loss /= folds;
    mean.training_loss /= folds;
    return mean;
}

Result FoldedCandidates::train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) {
    std::vector<double> scores;
    const auto train = [&](int fold) { return folds_[static_cast<std::size_t>(fold)]->train(job, thread, team, stop); };
    const Result mean = mean_of(folds(), train, scores);
    if (!mean.stopped && !is_diverged(mean.score, mean.loss)) note(job, std::move(scores));
    return mean;
}

void FoldedCandidates::note(const Job& job, std::vector<double> scores) {
    const std::lock_guard lock(mutex_);
    scores_.push_back({job, std::move(scores)});
}

States FoldedCandidates::take(std::int32_t candidate) {
    return gathered([&](NetworkCandidates& fold) { return states_of_one(fold.take(candidate)); });
}

void FoldedCandidates::receive(const Job& job, std::vector<State> states) {
    if (states.size() != folds_.size()) throw std::invalid_argument("states: one a fold");
    for (std::size_t fold = 0; fold < folds_.size(); ++fold) folds_[fold]->receive(job, std::move(states[fold]));
}

States FoldedCandidates::checked(const Job& job, std::vector<State> states) const {
    if (states.size() != folds_.size()) throw std::invalid_argument("states: one a fold");
    States all;
    for (std::size_t fold = 0; fold < folds_.size(); ++fold) {
        all.push_back(std::make_shared<State>(folds_[fold]->checked(job, std::move(states[fold]))));
    }
    return all;
}

Team::Help FoldedCandidates::help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) {
    return folds_.front()->help(candidate, thread, team, invitation);
}

States FoldedCandidates::publish(std::int32_t candidate) {
    return gathered([&](NetworkCandidates& fold) { return fold.publish(candidate); });
}

void FoldedCandidates::wait(std::int32_t candidate, std::int32_t rung, double score, double loss) {
    for (const Fold& fold : folds_) fold->wait(candidate, rung, score, loss);
}

void FoldedCandidates::retire(std::int32_t candidate) {
    for (const Fold& fold : folds_) fold->retire(candidate);
}

MemoryUse FoldedCandidates::memory() const {
    MemoryUse all;
    for (const Fold& fold : folds_) {
        const MemoryUse one = fold->memory();
        all.limit += one.limit;
        all.peak_bytes += one.peak_bytes;
        all.held_bytes += one.held_bytes;
        all.dropped += one.dropped;
        all.retrained_epochs += one.retrained_epochs;
    }
    return all;
}

void FoldedCandidates::recall(const Job& job, std::span<const double> fold_scores) {
    for (const Fold& fold : folds_) fold->recall(job, fold_scores);
    if (!fold_scores.empty()) note(job, {fold_scores.begin(), fold_scores.end()});
}

States FoldedCandidates::share(std::int32_t candidate, std::int32_t rung) {
    return gathered([&](NetworkCandidates& fold) { return fold.share(candidate, rung); });
}

States FoldedCandidates::rebuild(const Job& job, std::uint64_t weights_hash, int thread,
                                 const std::atomic<bool>& stop) {
    const States states = gathered([&](NetworkCandidates& fold) { return fold.rebuild(job, kAnyHash, thread, stop); });
    if (!states.empty()) check_hash(job, weights_hash, digest_of(states));
    return states;
}

States FoldedCandidates::gathered(const std::function<States(NetworkCandidates& fold)>& of) const {
    States all;
    for (const Fold& fold : folds_) {
        States one = of(*fold);
        if (one.empty()) return {};
        all.push_back(std::move(one.front()));
    }
    return all;
}

void FoldedCandidates::restore(std::int32_t candidate, std::int32_t rung, std::vector<State> states) {
    if (states.size() != folds_.size()) throw std::invalid_argument("states: one a fold");
    for (std::size_t fold = 0; fold < folds_.size(); ++fold) {
        folds_[fold]->restore(candidate, rung, std::move(states[fold]));
    }
}

std::vector<FoldScores> FoldedCandidates::fold_scores() const {
    const std::lock_guard lock(mutex_);
    return scores_;
}

void FoldedCandidates::predict(std::span<const Kept> kept, int threads, std::span<float> results) const {
    if (kept.empty()) return;
    const std::size_t each = results.size() / kept.size();
    const std::size_t team = std::min(kept.size(), static_cast<std::size_t>(threads));
    parallel(static_cast<int>(team), [&](int thread) {
        Workspace scratch;
        for (auto k = static_cast<std::size_t>(thread); k < kept.size(); k += team) {
            float* to = results.data() + k * each;
            for (std::size_t fold = 0; fold < folds_.size(); ++fold) {
                folds_[fold]->predict(kept[k].candidate, *kept[k].states[fold], scratch, to);
                to += folds_[fold]->predictions();
            }
        }
    });
}

}  // namespace ash
