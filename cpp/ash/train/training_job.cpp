#include "ash/train/training_job.hpp"

#include <bit>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>

#include "ash/data/require.hpp"
#include "ash/model/cost.hpp"
#include "ash/train/digest.hpp"
#include "ash/train/evaluation.hpp"

namespace ash {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The maximum total epochs of a ladder and the maximum updates of an imported state, so that no training can make a
// state's counters overflow.
constexpr std::int64_t kMostEpochs = std::int64_t{1} << 62;
constexpr std::int64_t kMostUpdates = std::int64_t{1} << 62;

std::uint64_t with_fold(std::uint64_t hash, std::uint64_t of_fold) { return std::rotl(hash, 1) ^ of_fold; }

}  // namespace

std::uint64_t digest_of(const State& state) {
    return digest(std::span(state.weights.data(), static_cast<std::size_t>(state.weights.size())));
}

std::uint64_t digest_of(std::span<const State> folds) {
    std::uint64_t hash = 0;
    for (const State& state : folds) hash = with_fold(hash, digest_of(state));
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

double step_cost(const Data& data, const Settings& settings) {
    return static_cast<double>(batch_rows(settings, data)) * training_cost({data.shape(), settings});
}

void check_fits(const Settings& settings, const Data& data) {
    require(settings.batch_size > 0 || !data.is_sparse(), "batch_size: sparse rows cannot be one batch");
    require(
        settings.target_transform == TargetTransform::none || data.has_logarithms(),
        "target_transform: log takes one target, above 0 in all training rows, and another loss than that of Poisson");
}

void check_metric(Metric metric, const Data& data) {
    if (classifies(metric) != (data.classes() > 0)) {
        throw std::invalid_argument(std::string(name(metric)) + " does not score this task");
    }
    require(metric != Metric::poisson || data.loss().kind == Loss::poisson,
            "neg_mean_poisson_deviance scores networks of the Poisson loss alone");
}

std::int64_t JobRules::epochs_after(std::int32_t rung) const {
    require(min_epochs >= 1 && min_epochs <= kMostEpochs && eta >= 2 && rung >= 0, "no such rung");
    std::int64_t sum = min_epochs;
    for (std::int32_t below = 0; below < rung; ++below) {
        require(sum <= (kMostEpochs - min_epochs) / eta, "a rung of more than 2^62 epochs");
        sum = sum * eta + min_epochs;
    }
    return sum;
}

std::int64_t JobRules::epochs_of_job(std::int32_t rung) const {
    const std::int64_t after = epochs_after(rung);
    return rung == 0 ? after : after - epochs_after(rung - 1);
}

std::int64_t JobRules::epochs_of_state(std::int32_t rung) const {
    return continuation == Continuation::resume ? epochs_after(rung) : epochs_of_job(rung);
}

State JobRun::initial() const {
    return initial_state(data.shape(), settings, rules.seed, static_cast<std::uint32_t>(job.candidate));
}

Outcome JobRun::train(State& state) {
    Training training{.epochs = job.epochs,
                      .seed = rules.seed,
                      .candidate = static_cast<std::uint32_t>(job.candidate),
                      .stop = stop,
                      .team = team};
    const bool resumes = rules.continuation == Continuation::resume;
    for (std::int32_t rung = 0; resumes && rung < job.rung; ++rung) {
        if (state.epochs >= rules.epochs_after(rung)) continue;
        training.epochs = rules.epochs_of_job(rung);
        const Outcome below = ash::train(data, settings, training, rules.kernels, state, scratch);
        if (below.stopped) return below;
        retrained += training.epochs;
    }
    training.epochs = job.epochs;
    return ash::train(data, settings, training, rules.kernels, state, scratch);
}

Result JobRun::train_and_score(State& state) {
    const Outcome outcome = train(state);
    if (outcome.stopped) return {.stopped = true};
    if (outcome.diverged) return {.score = kNan, .loss = kNan, .training_loss = outcome.loss};
    std::vector<double> predictions;  // stored only for a scorer, which needs all predictions together
    const auto rows = static_cast<std::size_t>(data.validation().count);
    if (rules.scorer) predictions.resize(rows * static_cast<std::size_t>(data.outputs()));
    Evaluation evaluation = evaluate(data, settings, state, rules.metric, rules.kernels, stop, scratch,
                                     predictions.empty() ? nullptr : predictions.data());
    if (rules.scorer && !evaluation.stopped) evaluation.score = rules.scorer(state, predictions);
    return {.score = evaluation.score,
            .loss = evaluation.loss,
            .training_loss = outcome.loss,
            .weights_hash = digest_of(state),
            .stopped = evaluation.stopped};
}

void check_arenas(const State& state, const Settings& settings, std::int32_t candidate) {
    const std::int64_t size = state.layout.size();
    const Optimizer optimizer = settings.optimizer;
    require(state.weights.size() == size && state.first_moment.size() == (optimizer == Optimizer::sgd ? 0 : size) &&
                state.second_moment.size() == (optimizer >= Optimizer::adam ? size : 0),
            "candidate " + std::to_string(candidate) + " has states of other sizes");
    require(state.updates >= 0 && state.updates <= kMostUpdates,
            "candidate " + std::to_string(candidate) + " has states of too many updates");
}

void check_state(const State& state, const Settings& settings, const JobRules& rules, const Job& job) {
    check_arenas(state, settings, job.candidate);
    require(state.epochs == rules.epochs_of_state(job.rung),
            "candidate " + std::to_string(job.candidate) + " has states of other epochs");
}

}  // namespace ash
