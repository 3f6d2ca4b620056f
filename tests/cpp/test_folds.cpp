// Tests folds: the score of a job is the mean over folds, dropped states change nothing, and each fold equals a
// separate run.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ash/run/candidates.hpp"
#include "candidates_help.hpp"

namespace {

using namespace ash;
using namespace ash::testing;

// Returns `count` folds of the rows of make_data(), at most three. In fold f, rows f, f + 3, f + 6, ... are for
// validation.
std::vector<Data> make_folds(int count) {
    const Data whole = make_data();
    std::vector<Data> folds;
    for (int fold = 0; fold < count; ++fold) {
        std::vector<double> x;
        std::vector<double> y;
        std::vector<std::int64_t> training;
        std::vector<std::int64_t> validation;
        for (std::int64_t row = 0; row < whole.training().count; ++row) {
            const float* from = whole.training().x.data() + row * whole.training().stride;
            x.insert(x.end(), from, from + kFeatures);
            y.push_back(whole.training().labels[static_cast<std::size_t>(row)]);
            (row % 3 == fold ? validation : training).push_back(row);
        }
        folds.emplace_back(Table{x.data(), y.data(), std::ssize(y), kFeatures, 1, kClasses}, training, validation,
                           true);
    }
    return folds;
}

std::vector<Fold> folds_of(const std::vector<Data>& data) {
    std::vector<Fold> folds;
    for (std::size_t fold = 0; fold < data.size(); ++fold) {
        folds.push_back(fold_of(data[fold], Continuation::resume, Metric::accuracy, fold_seed(kSeed, fold)));
    }
    return folds;
}

std::unique_ptr<Candidates> folded(const std::vector<Fold>& folds, const std::vector<Settings>& settings,
                                   std::int64_t limit = kNoLimit) {
    return std::make_unique<Candidates>(folds, settings, std::ssize(settings), 1, limit);
}

struct Runner {
    std::atomic<bool> stop{false};
    std::atomic<std::uint32_t> bell{0};
    Team team{bell};

    Result run(Candidates& all, const Job& job) {
        const Result result = all.train(job, 0, team, stop);
        all.wait(job.candidate, job.rung, result.score, result.loss);
        return result;
    }
};

}  // namespace

TEST_CASE("a job has the mean score of its folds, each resumed from its own state, dropped or not") {
    const std::vector<Data> data = make_folds(3);
    const std::vector<Settings> settings = make_settings(4);
    for (const std::int64_t limit : {kNoLimit, kNothingWaits}) {
        const auto all = folded(folds_of(data), settings, limit);
        std::vector<std::unique_ptr<Candidates>> parts;
        for (const Fold& fold : folds_of(data)) parts.push_back(folded({fold}, settings));
        Runner runner;
        std::size_t jobs = 0;
        for (const Job job : {Job{1, 0, 1}, Job{2, 0, 1}, Job{1, 1, 2}}) {
            const Result mean = runner.run(*all, job);
            double cost = 0.0;
            std::vector<double> scores;
            double loss = 0.0;
            std::uint64_t hash = 0;
            for (const auto& part : parts) {
                const Result one = runner.run(*part, job);
                scores.push_back(one.score);
                loss += one.loss;
                cost += part->cost(job);
                hash = std::rotl(hash, 1) ^ one.weights_hash;
            }
            CHECK(mean.score == std::accumulate(scores.begin(), scores.end(), 0.0) / 3.0);
            CHECK(mean.loss == loss / 3.0);
            CHECK(mean.weights_hash == hash);
            CHECK(all->cost(job) == cost);
            const FoldScores found = all->fold_scores().at(jobs++);
            CHECK(found.scores == scores);
            CHECK((found.job.candidate == job.candidate && found.job.rung == job.rung));
        }
        CHECK((all->memory().dropped > 0) == (limit == kNothingWaits));
    }
}

TEST_CASE("states and predictions contain all folds in order, and can be trained again") {
    const std::vector<Data> data = make_folds(3);
    const std::vector<Fold> folds = folds_of(data);
    const std::vector<Settings> settings = make_settings(4);
    const auto all = folded(folds, settings);
    Runner runner;
    runner.run(*all, {2, 0, 1});
    const Job job{2, 1, 2};
    const Result result = all->train(job, 0, runner.team, runner.stop);
    const Kept kept{2, 1, result.score, result.loss, all->publish(2), result.weights_hash};
    REQUIRE(kept.states.size() == 3);

    std::vector<RetrainJob> again = all->retraining(job);
    retrain(again, 2, [] { return false; });
    std::vector<State> states;
    std::vector<float> expected;
    for (std::size_t fold = 0; fold < 3; ++fold) {
        CHECK(weights(again[fold].state) == weights(*kept.states[fold]));
        states.push_back(again[fold].state);
        const auto part = folded({folds[fold]}, settings);
        std::vector<float> predictions(static_cast<std::size_t>(data[fold].validation().count * kClasses));
        part->predict(std::vector<Kept>{{2, 1, 0.0, 0.0, {kept.states[fold]}}}, 1, std::span(predictions));
        expected.insert(expected.end(), predictions.begin(), predictions.end());
    }
    std::vector<float> found(2 * expected.size());
    all->predict(std::vector<Kept>{kept, kept}, 2, std::span(found));
    CHECK(std::equal(expected.begin(), expected.end(), found.begin()));
    CHECK(std::equal(expected.begin(), expected.end(), found.begin() + std::ssize(expected)));
    std::vector<double> wide(expected.size());
    all->predict(std::vector<Kept>{kept}, 1, std::span(wide));
    CHECK(std::equal(expected.begin(), expected.end(), wide.begin()));

    const States checked = all->checked(job, result.weights_hash, states);
    for (std::size_t fold = 0; fold < 3; ++fold) CHECK(weights(*checked[fold]) == weights(*kept.states[fold]));
    CHECK_THROWS_AS(all->checked(job, result.weights_hash + 1, states), std::runtime_error);
    states.pop_back();
    CHECK_THROWS_AS(all->checked(job, result.weights_hash, states), std::invalid_argument);
}

TEST_CASE("a candidate that diverges in one fold has diverged and leaves no state") {
    const std::vector<Data> data = make_folds(2);
    std::vector<Settings> settings = make_settings(2);
    int calls = 0;
    const Scorer undefined_in_second = [&](const State&, std::span<const double>) { return ++calls > 1 ? NAN : 0.5; };
    std::vector<Fold> folds = folds_of(data);
    for (Fold& fold : folds) fold.rules.scorer = undefined_in_second;
    Candidates all(folds, settings, 2, 1, kNoLimit);
    Runner runner;
    CHECK(std::isnan(runner.run(all, {1, 0, 1}).score));
    CHECK(calls == 2);
    CHECK(all.fold_scores().empty());
    CHECK(all.memory().held_bytes == 0);
}

TEST_CASE("candidates are added to all folds, and a stop ends a job on folds") {
    const std::vector<Data> data = make_folds(2);
    const std::vector<Settings> settings = make_settings(4);
    Candidates all(folds_of(data), {settings[0]}, 4, 1, kNoLimit);
    CHECK(all.known() == 1);
    all.append({settings[1], settings[2]});
    CHECK(all.known() == 3);
    Runner runner;
    CHECK(std::isfinite(runner.run(all, {2, 0, 1}).score));
    all.retire(2);
    CHECK(all.memory().held_bytes == 0);
    runner.stop = true;
    CHECK(all.train({1, 0, 1}, 0, runner.team, runner.stop).stopped);
}

TEST_CASE("folds with other features or outputs than the first fold are refused") {
    const std::vector<double> x(40, 1.0);
    const std::vector<double> y{0, 1, 2, 0, 1};
    const std::vector<std::int64_t> rows{0, 1, 2, 3, 4};
    const auto made = [&](int features, int classes) {
        return Data(Table{x.data(), y.data(), 5, features, 1, classes}, rows, rows, true);
    };
    const std::vector<Data> folds{made(4, 3), made(5, 3), made(4, 4), made(4, 3)};
    const auto both = [&](std::size_t second) {
        return folded({fold_of(folds[0]), fold_of(folds[second])}, make_settings(1));
    };
    CHECK_THROWS_AS(both(1), std::invalid_argument);
    CHECK_THROWS_AS(both(2), std::invalid_argument);
    CHECK(both(3)->folds() == 2);
}
