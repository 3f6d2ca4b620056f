// Folds: one is what candidates alone are, more have the mean of their scores, whatever is dropped between jobs.
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

#include "ash/run/folds.hpp"
#include "candidates_help.hpp"

namespace {

using namespace ash;
using namespace ash::testing;

// Three folds of the rows of make_data(): every third row validates.
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

std::unique_ptr<NetworkCandidates> alone(const Data& data, const std::vector<Settings>& settings, std::uint64_t seed,
                                         std::int64_t limit = kNoLimit) {
    return std::make_unique<NetworkCandidates>(data, settings, std::ssize(settings), Continuation::resume,
                                               Metric::accuracy, seed, kernels(""), 1, 1, 2, limit);
}

FoldedCandidates folded(const std::vector<Data>& data, const std::vector<Settings>& settings, std::int64_t limit) {
    std::vector<FoldedCandidates::Fold> folds;
    for (std::size_t fold = 0; fold < data.size(); ++fold) {
        folds.push_back(alone(data[fold], settings, FoldedCandidates::seed_of(kSeed, fold), limit));
    }
    return FoldedCandidates(std::move(folds));
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

TEST_CASE("one fold is what candidates alone are") {
    const std::vector<Data> data = make_folds(1);
    const std::vector<Settings> settings = make_settings(6);
    FoldedCandidates one = folded(data, settings, kNoLimit);
    const auto plain = alone(data[0], settings, kSeed);
    Runner runner;
    CHECK(one.count() == 6);
    for (const Job job : {Job{0, 0, 1}, Job{3, 0, 1}, Job{3, 1, 2}, Job{5, 0, 1}, Job{3, 2, 4}}) {
        CHECK(one.cost(job) == plain->cost(job));
        CHECK(same(runner.run(one, job), runner.run(*plain, job)));
    }
    CHECK(one.memory().held_bytes == plain->memory().held_bytes);
}

TEST_CASE("a job has the mean of its folds, each resumed where it stands, dropped or not") {
    const std::vector<Data> data = make_folds(3);
    const std::vector<Settings> settings = make_settings(4);
    for (const std::int64_t limit : {kNoLimit, kNothingWaits}) {
        FoldedCandidates all = folded(data, settings, limit);
        std::vector<std::unique_ptr<NetworkCandidates>> parts;
        for (std::size_t fold = 0; fold < 3; ++fold) {
            parts.push_back(alone(data[fold], settings, FoldedCandidates::seed_of(kSeed, fold)));
        }
        Runner runner;
        std::size_t jobs = 0;
        for (const Job job : {Job{1, 0, 1}, Job{2, 0, 1}, Job{1, 1, 2}}) {
            const Result mean = runner.run(all, job);
            std::vector<double> scores;
            double loss = 0.0;
            std::uint64_t hash = 0;
            for (const auto& part : parts) {
                const Result one = runner.run(*part, job);
                scores.push_back(one.score);
                loss += one.loss;
                hash = std::rotl(hash, 1) ^ one.weights_hash;
            }
            CHECK(mean.score == std::accumulate(scores.begin(), scores.end(), 0.0) / 3.0);
            CHECK(mean.loss == loss / 3.0);
            CHECK(mean.weights_hash == hash);
            const FoldScores found = all.fold_scores().at(jobs++);
            CHECK(found.scores == scores);
            CHECK((found.job.candidate == job.candidate && found.job.rung == job.rung));
        }
        CHECK((all.memory().dropped > 0) == (limit == kNothingWaits));
    }
}

TEST_CASE("states and predictions are those of all folds, in their order, and can be made again") {
    const std::vector<Data> data = make_folds(3);
    const std::vector<Settings> settings = make_settings(4);
    FoldedCandidates all = folded(data, settings, kNoLimit);
    std::atomic<bool> stop{false};
    std::atomic<std::uint32_t> bell{0};
    Team team{bell};
    Result result;
    for (const Job job : {Job{2, 0, 1}, Job{2, 1, 2}}) {
        result = all.train(job, 0, team, stop);
        if (job.rung == 0) all.wait(2, 0, result.score, result.loss);
    }
    const Kept kept{2, 1, result.score, result.loss, all.publish(2), result.weights_hash};
    REQUIRE(kept.states.size() == 3);

    std::vector<float> expected;
    for (std::size_t fold = 0; fold < 3; ++fold) {
        const auto part = alone(data[fold], settings, FoldedCandidates::seed_of(kSeed, fold));
        const States own = part->rebuild({2, 1, 2}, kAnyHash, 0, stop);
        CHECK(weights(*own.front()) == weights(*kept.states[fold]));
        std::vector<float> predictions(part->predictions());
        Workspace scratch;
        part->predict(2, *own.front(), scratch, predictions.data());
        expected.insert(expected.end(), predictions.begin(), predictions.end());
    }
    std::vector<float> found(2 * expected.size());
    all.predict(std::vector<Kept>{kept, kept}, 2, found);
    CHECK(std::equal(expected.begin(), expected.end(), found.begin()));
    CHECK(std::equal(expected.begin(), expected.end(), found.begin() + std::ssize(expected)));

    const States again = all.rebuild({2, 1, 2}, result.weights_hash, 0, stop);
    for (std::size_t fold = 0; fold < 3; ++fold) CHECK(weights(*again[fold]) == weights(*kept.states[fold]));
    CHECK_THROWS_AS(all.rebuild({2, 1, 2}, result.weights_hash + 1, 0, stop), std::runtime_error);
    stop = true;
    CHECK(all.rebuild({2, 1, 2}, result.weights_hash, 0, stop).empty());
}

TEST_CASE("a candidate that diverges in one fold has diverged, and leaves nothing behind") {
    const std::vector<Data> data = make_folds(2);
    std::vector<Settings> settings = make_settings(2);
    int calls = 0;
    const Scorer undefined_in_second = [&](const State&, const Predictions&) { return ++calls > 1 ? NAN : 0.5; };
    std::vector<FoldedCandidates::Fold> folds;
    for (const Data& each : data) {
        folds.push_back(std::make_unique<NetworkCandidates>(each, settings, 2, Continuation::resume, Metric::accuracy,
                                                            kSeed, kernels(""), 1, 1, 2, kNoLimit,
                                                            undefined_in_second));
    }
    FoldedCandidates all(std::move(folds));
    Runner runner;
    CHECK(std::isnan(runner.run(all, {1, 0, 1}).score));
    CHECK(calls == 2);
    CHECK(all.fold_scores().empty());
    CHECK(all.memory().held_bytes == 0);
}

TEST_CASE("more candidates are known to all folds, and a stop ends a job") {
    const std::vector<Data> data = make_folds(2);
    const std::vector<Settings> settings = make_settings(4);
    std::vector<FoldedCandidates::Fold> folds;
    for (const Data& each : data) {
        folds.push_back(std::make_unique<NetworkCandidates>(each, std::vector<Settings>{settings[0]}, 4,
                                                            Continuation::resume, Metric::accuracy, kSeed, kernels(""),
                                                            1, 1, 2, kNoLimit));
    }
    FoldedCandidates all(std::move(folds));
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
