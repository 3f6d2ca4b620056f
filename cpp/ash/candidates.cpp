#include "ash/candidates.hpp"

#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "ash/trainer.hpp"

namespace ash {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

NetworkCandidates::NetworkCandidates(const Data& data, std::vector<Settings> candidates, Continuation continuation,
                                     Metric metric, std::uint64_t seed, const Kernels& kernels, int threads)
    : data_(data),
      candidates_(std::move(candidates)),
      continuation_(continuation),
      metric_(metric),
      seed_(seed),
      kernels_(kernels),
      slots_(candidates_.size()),
      workspaces_(static_cast<std::size_t>(threads)) {
    if (candidates_.empty()) throw std::invalid_argument("there are no candidates");
    for (const Settings& settings : candidates_) check(settings);
    if (classifies(metric) != (data.classes() > 0)) {
        throw std::invalid_argument(std::string(name(metric)) + " does not score this task");
    }
}

Result NetworkCandidates::train(const Job& job, int thread, const std::atomic<bool>& stop) {
    const Settings& settings = candidates_[static_cast<std::size_t>(job.candidate)];
    Workspace& scratch = workspace(thread);
    scratch.prepare(data_, settings);
    State& state = state_to_train(job.candidate);
    const Training training{
        .epochs = job.epochs, .seed = seed_, .candidate = static_cast<std::uint32_t>(job.candidate), .stop = &stop};
    const Outcome outcome = ash::train(data_, settings, training, kernels_, state, scratch);
    if (outcome.stopped) return {.stopped = true};
    if (outcome.diverged) return {.score = kNan, .loss = kNan, .training_loss = outcome.loss};
    const Evaluation evaluation = evaluate(data_, state, metric_, kernels_, &stop, scratch);
    return {.score = evaluation.score,
            .loss = evaluation.loss,
            .training_loss = outcome.loss,
            .stopped = evaluation.stopped};
}

std::shared_ptr<const State> NetworkCandidates::publish(std::int32_t candidate) {
    slot(candidate).published = true;
    return slot(candidate).state;
}

void NetworkCandidates::settle(std::int32_t candidate, bool may_go_on) {
    if (!may_go_on || continuation_ == Continuation::restart) slot(candidate) = Slot();
}

State& NetworkCandidates::state_to_train(std::int32_t candidate) {
    Slot& own = slot(candidate);
    if (!own.state) {
        const Settings& settings = candidates_[static_cast<std::size_t>(candidate)];
        own.state = std::make_shared<State>(
            initial_state(data_.features(), data_.outputs(), settings, seed_, static_cast<std::uint32_t>(candidate)));
    } else if (own.published) {
        own.state = std::make_shared<State>(*own.state);
    }
    own.published = false;
    return *own.state;
}

// Made here and not in the constructor, so that its pages lie where its thread runs.
Workspace& NetworkCandidates::workspace(int thread) {
    std::unique_ptr<Workspace>& own = workspaces_[static_cast<std::size_t>(thread)];
    if (!own) own = std::make_unique<Workspace>(data_, candidates_);
    return *own;
}

}  // namespace ash
