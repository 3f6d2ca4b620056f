#include "ash/run/candidates.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "ash/data/require.hpp"
#include "ash/model/cost.hpp"
#include "ash/train/evaluation.hpp"
#include "ash/train/parallel.hpp"

namespace ash {

namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

std::int64_t checked_count(std::int64_t count) {
    if (count >= 1 && count <= kMost) return count;
    throw std::invalid_argument("candidates must be in 1.." + std::to_string(kMost) + ", not " + std::to_string(count));
}

}  // namespace

Candidates::Candidates(std::int64_t count) : count_(checked_count(count)), known_(count) {}

Candidates::Candidates(std::vector<Fold> folds, std::vector<Settings> first, std::int64_t count, int threads,
                       std::int64_t memory_limit, std::shared_ptr<Mailbox> mailbox, ExternalTrainer external)
    : count_(checked_count(count)),
      folds_(std::move(folds)),
      memory_limit_(memory_limit),
      mailbox_(std::move(mailbox)),
      external_(std::move(external)),
      chunks_(static_cast<std::size_t>((count + kChunk - 1) / kChunk)),
      workspaces_(static_cast<std::size_t>(threads)) {
    require(memory_limit >= 0, "memory_limit: negative");
    for (const auto& [data, rules] : folds_) {
        check_metric(rules.metric, data);
        const Data& first_fold = folds_.front().data;
        require(data.features() == first_fold.features() && data.outputs() == first_fold.outputs(),
                "folds of other features or outputs");
        stores_.emplace_back(memory_limit / std::ssize(folds_) + (memory_limit % std::ssize(folds_) > 0 ? 1 : 0));
    }
    append(std::move(first));
}

void Candidates::append(std::vector<Settings> more) {
    if (std::ssize(more) > count_ - known_) {
        throw std::invalid_argument("more than " + std::to_string(count_) + " candidates");
    }
    for (const Settings& each : more) {
        check(each);
        if (ash::is_external(each)) {
            require(external_ || mailbox_, "external_cost: an external candidate requires an external trainer");
            continue;
        }
        for (const auto& [data, rules] : folds_) check_fits(each, data);
        static_cast<void>(Layout(folds_.front().data.shape(), each));  // throws if the network is too large
    }
    for (std::int64_t first = (known_ + kChunk - 1) / kChunk * kChunk; first < known_ + std::ssize(more);
         first += kChunk) {
        const auto size = static_cast<std::size_t>(std::min(kChunk, count_ - first));
        chunks_[static_cast<std::size_t>(first / kChunk)] = std::make_unique<Settings[]>(size);
    }
    for (Settings& each : more) {
        chunks_[static_cast<std::size_t>(known_ / kChunk)][static_cast<std::size_t>(known_ % kChunk)] = std::move(each);
        ++known_;
    }
}

double Candidates::cost(const Job& job) const {
    if (is_external(job.candidate)) {
        return settings(job.candidate).external_cost * static_cast<double>(std::max(job.epochs, std::int64_t{1}));
    }
    double sum = 0.0;
    for (const auto& [data, rules] : folds_) {
        const EpochCut epochs = epochs_of(settings(job.candidate), data);
        sum += job_cost(layout(job.candidate), epochs.rows(), data.validation().count, job.epochs);
    }
    return sum;
}

double Candidates::step_cost(std::int32_t candidate) const {
    if (is_external(candidate)) return 0.0;
    return ash::step_cost(folds_.front().data, settings(candidate));
}

Result Candidates::train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) {
    if (mailbox_) return train_elsewhere(job);
    if (is_external(job.candidate)) {
        std::optional<Answer> answer = external_(job, stop);
        return answer ? take(job, std::move(*answer)) : Result{.stopped = true};
    }
    Workspace& scratch = workspace(thread);
    const auto train_fold = [&](int number) {
        const auto fold = static_cast<std::size_t>(number);
        const auto& [data, rules] = folds_[fold];
        const Settings& own = settings(job.candidate);
        scratch.prepare(data, own);
        JobRun run{.data = data,
                   .settings = own,
                   .rules = rules,
                   .job = job,
                   .scratch = scratch,
                   .stop = &stop,
                   .team = &team};
        const std::shared_ptr<State> state = state_to_train(fold, job.candidate);
        const Result result = run.train_and_score(*state);
        retrained_epochs_ += run.retrained;
        return result;
    };
    std::vector<double> scores;
    const Result mean = mean_of(folds(), train_fold, scores);
    if (!mean.stopped && !is_diverged(mean.score, mean.loss)) note(job, std::move(scores));
    return mean;
}

Result Candidates::train_elsewhere(const Job& job) {
    States states = gathered([&](StateStore& store) { return store.resume(job.candidate); });
    std::optional<Answer> answer = mailbox_->send(job, std::move(states));
    return answer ? take(job, std::move(*answer)) : Result{.stopped = true};
}

Result Candidates::take(const Job& job, Answer answer) {
    require(answer.fold_scores.empty() || std::ssize(answer.fold_scores) == folds(), "scores: one per fold, or none");
    require(answer.states.empty() || !is_external(job.candidate), "states: an external candidate must have none");
    if (answer.states.empty()) {
        release(job.candidate);  // frees the candidate's state from a lower rung
    } else {
        put(job.candidate, with_layouts(job, std::move(answer.states)));
    }
    if (!answer.fold_scores.empty()) note(job, std::move(answer.fold_scores));
    return answer.result;
}

void Candidates::stop() {
    if (mailbox_) mailbox_->close();
}

Team::Help Candidates::help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) {
    Workspace& scratch = workspace(thread);
    // The team may be training any fold. Folds differ in the products that are rounded to bfloat16.
    for (std::size_t fold = 0; fold < folds_.size(); ++fold) scratch.prepare_to_help(layout(candidate, fold));
    return team.help(invitation, scratch);
}

States Candidates::publish(std::int32_t candidate) {
    States states = gathered([&](StateStore& store) { return store.publish(candidate); });
    if (mailbox_ && states.empty() && !is_external(candidate)) mailbox_->note(Note::Kind::kept, candidate);
    return states;
}

void Candidates::wait(std::int32_t candidate, std::int32_t rung, double score, double loss) {
    const bool diverged = is_diverged(score, loss);
    if (mailbox_ && diverged) mailbox_->note(Note::Kind::dropped, candidate);
    for (std::size_t fold = 0; fold < folds_.size(); ++fold) {
        if (diverged || folds_[fold].rules.continuation == Continuation::restart) {
            stores_[fold].release(candidate);
        } else {
            stores_[fold].wait(rung, {score, loss, candidate});
        }
    }
}

void Candidates::retire(std::int32_t candidate) {
    if (mailbox_) mailbox_->note(Note::Kind::dropped, candidate);
    release(candidate);
}

States Candidates::share(std::int32_t candidate, std::int32_t rung) {
    return gathered([&](StateStore& store) { return store.share(candidate, rung); });
}

MemoryUse Candidates::memory() const {
    MemoryUse all{.limit = memory_limit_};
    for (const StateStore& store : stores_) {
        const MemoryUse one = store.use();
        all.peak_bytes += one.peak_bytes;
        all.held_bytes += one.held_bytes;
        all.dropped += one.dropped;
    }
    all.retrained_epochs = retrained_epochs_;
    return all;
}

void Candidates::restore(std::int32_t candidate, std::int32_t rung, std::vector<State> states) {
    require(candidate >= 0 && candidate < count_, "no such network");
    if (candidate < known_) states = restorable({candidate, rung, 0}, std::move(states));
    restored_.insert_or_assign({candidate, rung}, std::move(states));
}

void Candidates::replay(const Job& job, std::span<const double> fold_scores) {
    auto restored = restored_.extract({job.candidate, job.rung});
    if (!restored.empty()) put(job.candidate, restorable(job, std::move(restored.mapped())));
    if (!fold_scores.empty()) note(job, {fold_scores.begin(), fold_scores.end()});
}

std::vector<RetrainJob> Candidates::retraining(const Job& job) const {
    std::vector<RetrainJob> jobs;
    jobs.reserve(folds_.size());
    for (const auto& [data, rules] : folds_) jobs.push_back({data, settings(job.candidate), rules, job});
    return jobs;
}

States Candidates::checked(const Job& job, std::uint64_t weights_hash, std::vector<State> states) const {
    require(std::ssize(states) == folds(), "states: one per fold");
    if (digest_of(states) != weights_hash) {
        throw std::runtime_error("candidate " + std::to_string(job.candidate) + " comes out of rung " +
                                 std::to_string(job.rung) + " with other weights than its result says");
    }
    States all;
    for (State& each : states = with_layouts(job, std::move(states))) {
        all.push_back(std::make_shared<State>(std::move(each)));
    }
    return all;
}

std::vector<FoldScores> Candidates::fold_scores() const {
    const std::lock_guard lock(mutex_);
    return scores_;
}

template <typename Result>
void Candidates::predict(std::span<const Kept> kept, int threads, std::span<Result> results) const {
    if (kept.empty()) return;
    const std::size_t each = results.size() / kept.size();
    const std::size_t team = std::min(kept.size(), static_cast<std::size_t>(threads));
    on_threads(static_cast<int>(team), [&](int thread) {
        Workspace scratch;
        for (auto k = static_cast<std::size_t>(thread); k < kept.size(); k += team) {
            Result* to = results.data() + k * each;
            for (std::size_t fold = 0; fold < folds_.size(); ++fold) {
                const auto& [data, rules] = folds_[fold];
                const Settings& own = settings(kept[k].candidate);
                scratch.prepare_to_score(data, own);
                evaluate(data, own, *kept[k].states[fold], rules.metric, rules.kernels, nullptr, scratch, to);
                to += data.validation().count * data.outputs();
            }
        }
    });
}

template void Candidates::predict(std::span<const Kept>, int, std::span<float>) const;
template void Candidates::predict(std::span<const Kept>, int, std::span<double>) const;

const Settings& Candidates::settings(std::int64_t candidate) const {
    return chunks_[static_cast<std::size_t>(candidate / kChunk)][static_cast<std::size_t>(candidate % kChunk)];
}

// Folds may differ in which numeric features are embedded, since features that are constant in a fold's training rows
// are left out.
Layout Candidates::layout(std::int32_t candidate, std::size_t fold) const {
    return {folds_[fold].data.shape(), settings(candidate)};
}

// Returns the thread's workspace. The thread creates it here at its first job, not in the constructor, so that the
// system places its memory near the thread's core.
Workspace& Candidates::workspace(int thread) {
    std::unique_ptr<Workspace>& own = workspaces_[static_cast<std::size_t>(thread)];
    if (!own) own = std::make_unique<Workspace>();
    return *own;
}

std::shared_ptr<State> Candidates::state_to_train(std::size_t fold, std::int32_t candidate) {
    StateStore& store = stores_[fold];
    std::shared_ptr<State> state = store.resume(candidate);
    if (state) return state;
    const auto& [data, rules] = folds_[fold];
    const Settings& own = settings(candidate);
    return store.add(candidate, state_bytes(layout(candidate, fold), own.optimizer), [&] {
        return initial_state(data.shape(), own, rules.seed, static_cast<std::uint32_t>(candidate));
    });
}

std::vector<State> Candidates::restorable(const Job& job, std::vector<State> states) const {
    require(!is_external(job.candidate), "no such network");
    return with_layouts(job, std::move(states));
}

std::vector<State> Candidates::with_layouts(const Job& job, std::vector<State> states) const {
    if (states.size() != folds_.size()) throw std::invalid_argument("states: one per fold");
    for (std::size_t fold = 0; fold < folds_.size(); ++fold) {
        states[fold].layout = layout(job.candidate, fold);
        check_state(states[fold], settings(job.candidate), folds_[fold].rules, job);
    }
    return states;
}

// Replaces the candidate's states by `states`. The new states are then at work (store.hpp).
void Candidates::put(std::int32_t candidate, std::vector<State> states) {
    release(candidate);
    for (std::size_t fold = 0; fold < folds_.size(); ++fold) {
        const std::int64_t bytes = state_bytes(states[fold].layout, settings(candidate).optimizer);
        stores_[fold].add(candidate, bytes, [&] { return std::move(states[fold]); });
    }
}

void Candidates::release(std::int32_t candidate) {
    for (StateStore& store : stores_) store.release(candidate);
}

void Candidates::note(const Job& job, std::vector<double> scores) {
    const std::lock_guard lock(mutex_);
    scores_.push_back({job, std::move(scores)});
}

// Calls `of` for the store of each fold in order and returns the resulting states. If a call returns null, the
// remaining stores are skipped and no states are returned.
States Candidates::gathered(const std::function<std::shared_ptr<const State>(StateStore& store)>& of) {
    States all;
    for (StateStore& store : stores_) {
        std::shared_ptr<const State> one = of(store);
        if (!one) return {};
        all.push_back(std::move(one));
    }
    return all;
}

}  // namespace ash
