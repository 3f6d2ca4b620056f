#include "ash/run/candidates.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "ash/model/cost.hpp"
#include "ash/train/evaluation.hpp"

namespace ash {

namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

std::int64_t checked_count(std::int64_t count) {
    if (count >= 1 && count <= kMost) return count;
    throw std::invalid_argument("candidates must be in 1.." + std::to_string(kMost) + ", not " + std::to_string(count));
}

}  // namespace

void check_hash(const Job& job, std::uint64_t expected, std::uint64_t found) {
    if (expected == kAnyHash || expected == found) return;
    throw std::runtime_error("candidate " + std::to_string(job.candidate) + " comes out of rung " +
                             std::to_string(job.rung) + " with other weights than its result says");
}

void write_in_units(const Predictions& predictions, const Data& data, float* results) {
    const Scaling& targets = data.targets();
    for (std::int64_t r = 0; r < predictions.rows; ++r) {
        for (int o = 0; o < predictions.outputs; ++o) {
            const auto column = static_cast<std::size_t>(o);
            const double z = predictions.values[r * predictions.stride + o];
            *results++ = static_cast<float>(z * targets.scale[column] + targets.center[column]);
        }
    }
}

NetworkCandidates::NetworkCandidates(const Data& data, std::vector<Settings> first, std::int64_t count,
                                     Continuation continuation, Metric metric, std::uint64_t seed,
                                     const Kernels& kernels, int threads, std::int64_t min_epochs, std::int64_t eta,
                                     std::int64_t memory_limit, Scorer scorer)
    : data_(data),
      count_(checked_count(count)),
      rules_{continuation, metric, seed, min_epochs, eta, kernels, std::move(scorer)},
      chunks_(static_cast<std::size_t>((count + kChunk - 1) / kChunk)),
      workspaces_(static_cast<std::size_t>(threads)),
      states_(memory_limit) {
    if (classifies(metric) != (data.classes() > 0)) {
        throw std::invalid_argument(std::string(name(metric)) + " does not score this task");
    }
    append(std::move(first));
}

void NetworkCandidates::append(std::vector<Settings> more) {
    if (std::ssize(more) > count_ - known_) {
        throw std::invalid_argument("more than " + std::to_string(count_) + " candidates");
    }
    for (const Settings& each : more) check(each);
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

double NetworkCandidates::cost(const Job& job) const {
    const EpochCut epochs = epochs_of(settings(job.candidate), data_);
    return job_cost(layout(job.candidate), epochs.rows(), data_.validation().count, job.epochs);
}

double NetworkCandidates::step_cost(std::int32_t candidate) const {
    const std::int64_t rows = batch_rows(settings(candidate), data_);
    return static_cast<double>(rows) * training_cost(layout(candidate));
}

JobRun NetworkCandidates::run_of(const Job& job, Workspace& scratch, const std::atomic<bool>& stop, Team* team) const {
    const Settings& own = settings(job.candidate);
    scratch.prepare(data_, own);
    return {
        .data = data_, .settings = own, .rules = rules_, .job = job, .scratch = scratch, .stop = &stop, .team = team};
}

Result NetworkCandidates::train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) {
    JobRun run = run_of(job, workspace(thread), stop, &team);
    const std::shared_ptr<State> state = state_to_train(job.candidate);
    const Result result = run.train_and_score(*state);
    retrained_epochs_ += run.retrained;
    return result;
}

Team::Help NetworkCandidates::help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) {
    Workspace& scratch = workspace(thread);
    scratch.prepare_to_help(layout(candidate));
    return team.help(invitation, scratch);
}

void NetworkCandidates::wait(std::int32_t candidate, std::int32_t rung, double score, double loss) {
    if (rules_.continuation == Continuation::restart || is_diverged(score, loss)) {
        states_.release(candidate);
    } else {
        states_.wait(rung, {score, loss, candidate});
    }
}

MemoryUse NetworkCandidates::memory() const {
    MemoryUse use = states_.use();
    use.retrained_epochs = retrained_epochs_;
    return use;
}

void NetworkCandidates::recall(const Job& job, std::span<const double> /*fold_scores*/) {
    auto restored = restored_.extract({job.candidate, job.rung});
    if (restored.empty()) return;
    put(job.candidate, std::move(restored.mapped()));
}

void NetworkCandidates::receive(const Job& job, State state) { put(job.candidate, checked(job, std::move(state))); }

// In place of what the candidate had. The state is at work.
void NetworkCandidates::put(std::int32_t candidate, State state) {
    const std::int64_t bytes = state_bytes(state.layout, settings(candidate).optimizer);
    states_.release(candidate);
    states_.add(candidate, bytes, [&] { return std::move(state); });
}

States NetworkCandidates::rebuild(const Job& job, std::uint64_t weights_hash, int thread,
                                  const std::atomic<bool>& stop) {
    JobRun run = run_of(job, workspace(thread), stop, nullptr);
    const auto state = std::make_shared<State>(run.initial());
    if (run.train(*state).stopped) return {};
    retrained_epochs_ += run.retrained + job.epochs;
    check_hash(job, weights_hash, digest_of(*state));
    return {state};
}

State NetworkCandidates::checked(const Job& job, State state) const {
    state.layout = layout(job.candidate);
    check_state(state, settings(job.candidate), rules_, job);
    return state;
}

void NetworkCandidates::restore(std::int32_t candidate, std::int32_t rung, State state) {
    constexpr std::int32_t kMostRungs = 63;  // epochs double at least
    if (candidate < 0 || candidate >= known_ || rung < 0 || rung >= kMostRungs) {
        throw std::invalid_argument("no such candidate or rung");
    }
    restored_.insert_or_assign({candidate, rung}, checked({candidate, rung, 0}, std::move(state)));
}

void NetworkCandidates::predict(std::int32_t candidate, const State& state, Workspace& scratch, float* results) const {
    scratch.prepare(data_, settings(candidate));
    evaluate(data_, state, rules_.metric, rules_.kernels, nullptr, scratch);
    write_in_units(predictions_of(data_, scratch), data_, results);
}

const Settings& NetworkCandidates::settings(std::int64_t candidate) const {
    return chunks_[static_cast<std::size_t>(candidate / kChunk)][static_cast<std::size_t>(candidate % kChunk)];
}

Layout NetworkCandidates::layout(std::int32_t candidate) const { return {data_.shape(), settings(candidate)}; }

// Made here and not in the constructor, so that its pages lie where its thread runs.
Workspace& NetworkCandidates::workspace(int thread) {
    std::unique_ptr<Workspace>& own = workspaces_[static_cast<std::size_t>(thread)];
    if (!own) own = std::make_unique<Workspace>();
    return *own;
}

std::shared_ptr<State> NetworkCandidates::state_to_train(std::int32_t candidate) {
    std::shared_ptr<State> state = states_.take(candidate);
    if (state) return state;
    const Settings& own = settings(candidate);
    return states_.add(candidate, state_bytes(layout(candidate), own.optimizer), [&] {
        return initial_state(data_.shape(), own, rules_.seed, static_cast<std::uint32_t>(candidate));
    });
}

}  // namespace ash
