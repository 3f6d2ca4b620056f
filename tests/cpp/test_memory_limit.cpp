// Tests that states dropped because of a memory limit are retrained bit for bit, and that the schedule does not
// change.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/run/tuner.hpp"
#include "ash/train/evaluation.hpp"
#include "candidates_help.hpp"
#include "training_data.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

// Up to kWorkers states are in use at once. At most two more states exist: the best state, and a copy of a published
// state.
constexpr int kWorkers = 4;

std::int64_t largest(const Data& data, const std::vector<Settings>& all) {
    std::int64_t most = 0;
    for (const Settings& each : all) {
        most = std::max(most, state_bytes({data.shape(), each}, each.optimizer));
    }
    return most;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a dropped state is trained again, rung by rung, to the same bits") {
    settings = make_settings(20);  // every optimizer, with and without dropout and hidden layers
    Candidates loose = candidates(Continuation::resume);
    Candidates tight = candidates(Continuation::resume, kNothingWaits);
    std::int64_t retrained = 0;
    for (std::int32_t candidate = 0; candidate < 20; ++candidate) {
        for (std::int32_t rung = 0; rung < 4; ++rung) {
            const Job job{candidate, rung, std::int64_t{1} << rung};
            CHECK(same(run(tight, job), run(loose, job)));
            retrained += (std::int64_t{1} << rung) - 1;
        }
        CHECK(weights_after(tight, {candidate, 4, 16}) ==
              trained(data, settings[candidate], candidate, {1, 2, 4, 8, 16}));
        retrained += 15;
        tight.retire(candidate);
    }
    CHECK(tight.memory().dropped == 4 * 20);
    CHECK(tight.memory().retrained_epochs == retrained);
    CHECK(tight.memory().held_bytes == 0);
    CHECK(loose.memory().dropped == 0);
    CHECK(loose.memory().retrained_epochs == 0);
}

TEST_CASE_FIXTURE(Fixture, "retraining repeats the epochs of the lower rungs") {
    Fold fold = fold_of(data);
    fold.rules.min_epochs = 2;
    fold.rules.eta = 3;
    Candidates all({fold}, settings, 10, 1, kNothingWaits);
    CHECK(weights_after(all, {3, 2, 18}) == trained(data, settings[3], 3, {2, 6, 18}));
    CHECK(all.memory().retrained_epochs == 8);
}

TEST_CASE_FIXTURE(Fixture, "a published state is not dropped while the caller holds it") {
    Candidates all = candidates(Continuation::resume, kNothingWaits);
    all.train({7, 0, 1}, 0, team, stop);
    std::shared_ptr<const State> best = all.publish(7).front();
    all.wait(7, 0, 0.5, 0.5);
    CHECK(all.memory().dropped == 0);
    CHECK(weights_after(all, {7, 1, 2}) == trained(data, settings[7], 7, {1, 2}));
    CHECK(all.memory().retrained_epochs == 0);
    best.reset();
    all.retire(7);
    CHECK(all.memory().held_bytes == 0);
}

TEST_CASE("a dropped state of a regression is trained again to the same bits") {
    const Data data = make_data(200, 6, 0, 2);
    Fold fold = fold_of(data, Continuation::resume, Metric::r2);
    fold.rules.eta = 3;
    std::atomic<bool> stop{false};
    std::atomic<std::uint32_t> bell{0};
    Team team(bell);
    std::vector<Result> expected;
    for (const std::int64_t limit : {kNoLimit, kNothingWaits}) {
        Candidates all({fold}, {settings_of(Optimizer::adamw, 32)}, 1, 1, limit);
        for (const Job& job : {Job{0, 0, 1}, Job{0, 1, 3}, Job{0, 2, 9}}) {
            const Result result = all.train(job, 0, team, stop);
            all.wait(0, job.rung, result.score, result.loss);
            if (limit == kNoLimit) expected.push_back(result);
            CHECK(same(result, expected[static_cast<std::size_t>(job.rung)]));
        }
        CHECK(all.memory().retrained_epochs == (limit == kNoLimit ? 0 : 1 + 4));
    }
}

TEST_CASE_FIXTURE(Fixture, "results are the same for any threads and limits, and the best model has its job's score") {
    using Row = std::tuple<int, int, std::int64_t, double, double, double, std::uint64_t>;
    settings = make_settings(24);
    for (const Continuation continuation : {Continuation::resume, Continuation::restart}) {
        std::vector<Row> expected;
        for (const auto& [threads, limit] : std::vector<std::pair<int, std::int64_t>>{
                 {1, kNoLimit}, {1, kNothingWaits}, {2, 20'000}, {3, kNothingWaits}, {7, kNoLimit}}) {
            const std::vector<Fold> folds{fold_of(data, continuation, Metric::auc)};
            Tuner tuner(std::make_unique<Candidates>(folds, settings, 24, threads, limit),
                        {.ladder = {.algorithm = Algorithm::ash}, .threads = threads, .workers = kWorkers});
            tuner.start();
            REQUIRE(tuner.wait(60.0));
            std::vector<Row> rows;
            for (const JobRecord& each : tuner.records().jobs()) {
                const Job& job = each.task.job;
                rows.emplace_back(job.rung, job.candidate, job.epochs, each.score, each.loss, each.training_loss,
                                  each.weights_hash);
            }
            CHECK(rows.size() == 24 + 12 + 6 + 3);
            if (expected.empty()) expected = rows;
            CHECK(rows == expected);

            const Kept best = tuner.kept().front();
            Workspace workspace(data, settings);
            const Settings& own = settings[static_cast<std::size_t>(best.candidate)];
            workspace.prepare(data, own);
            const Evaluation again =
                evaluate(data, own, *best.states.front(), Metric::auc, kernels(""), nullptr, workspace);
            CHECK(again.score == best.score);
            CHECK(again.loss == best.loss);

            const MemoryUse use = tuner.memory();
            CHECK(use.held_bytes == bytes(*best.states.front()));  // all others are freed
            if (limit != kNoLimit) CHECK(use.peak_bytes <= std::max(limit, (kWorkers + 2) * largest(data, settings)));
            if (limit != kNothingWaits || continuation == Continuation::restart) continue;
            CHECK(use.dropped > 0);
            CHECK(use.retrained_epochs > 0);
        }
    }
}
