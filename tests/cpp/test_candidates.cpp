// Tests the states of networks when candidates are resumed, restarted, published, stopped, appended during training, or
// diverge. Also tests their hashes and costs.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/train/digest.hpp"
#include "candidates_help.hpp"

using namespace ash;
using namespace ash::testing;

TEST_CASE_FIXTURE(Fixture, "resume continues from the state after the last job") {
    Candidates all = candidates(Continuation::resume);
    run(all, {4, 0, 1});
    CHECK(weights_after(all, {4, 1, 2}) == trained(data, settings[4], 4, {1, 2}));
    CHECK(all.memory().retrained_epochs == 0);
}

TEST_CASE_FIXTURE(Fixture, "restart begins with the initial state and keeps no state") {
    Candidates all = candidates(Continuation::restart);
    run(all, {4, 0, 1});
    CHECK(all.memory().held_bytes == 0);
    CHECK(weights_after(all, {4, 1, 2}) == trained(data, settings[4], 4, {2}));
    CHECK(all.memory().retrained_epochs == 0);
}

TEST_CASE_FIXTURE(Fixture, "a result has the hash of the weights, which differs between candidates") {
    Candidates all = candidates(Continuation::resume);
    const Result first = run(all, {2, 0, 1});
    const std::vector<float> expected = trained(data, settings[2], 2, {1});
    CHECK(first.weights_hash == digest(expected));
    CHECK(run(all, {2, 1, 2}).weights_hash != first.weights_hash);
}

TEST_CASE_FIXTURE(Fixture, "a published state is never written again") {
    Candidates all = candidates(Continuation::resume);
    all.train({7, 0, 1}, 0, team, stop);
    const std::shared_ptr<const State> first = all.publish(7).front();
    const std::vector<float> before = weights(*first);
    all.wait(7, 0, 0.5, 0.5);
    CHECK(weights_after(all, {7, 1, 2}) == trained(data, settings[7], 7, {1, 2}));
    all.retire(7);
    CHECK(weights(*first) == before);
}

TEST_CASE_FIXTURE(Fixture, "a state that is not needed is freed") {
    Candidates all = candidates(Continuation::resume);
    all.train({1, 0, 1}, 0, team, stop);
    const std::weak_ptr<const State> state = all.publish(1).front();
    all.wait(1, 0, 0.5, 0.5);
    CHECK_FALSE(state.expired());
    all.retire(1);
    CHECK(state.expired());
    all.retire(2);  // has no effect, since candidate 2 has no state
}

TEST_CASE_FIXTURE(Fixture,
                  "a diverged job has a result, but a stopped job has none, even if it was retraining a state") {
    settings[1].optimizer = Optimizer::sgd;
    settings[1].learning_rate = 1e30;
    settings[1].activations = {Activation::relu};
    Candidates all = candidates(Continuation::resume);
    const Result lost = run(all, {1, 0, 4});
    CHECK_FALSE(lost.stopped);
    CHECK(std::isnan(lost.score));
    CHECK(std::isnan(lost.loss));
    CHECK(lost.weights_hash == 0);
    CHECK(all.memory().held_bytes == 0);
    stop = true;
    CHECK(all.train({2, 0, 1'000'000'000}, 0, team, stop).stopped);
    CHECK(all.train({3, 29, 1'000'000'000}, 0, team, stop).stopped);
    CHECK(all.memory().retrained_epochs == 0);
}

TEST_CASE_FIXTURE(Fixture, "nothing is done for a closed team") {
    Candidates all = candidates(Continuation::resume);
    CHECK(all.help(5, 0, team, team.invitation(bell)).blocks == 0);
}

TEST_CASE_FIXTURE(Fixture, "candidates that cannot be trained are refused") {
    CHECK_THROWS_AS(candidates(Continuation::resume, kNoLimit, Metric::r2), std::invalid_argument);
    settings[3].learning_rate = -1.0;
    CHECK_THROWS_AS(candidates(Continuation::resume), std::invalid_argument);
    settings[3] = {};
    settings[3].hidden = {1 << 20, 1 << 20};
    settings[3].activations.assign(2, Activation::relu);
    CHECK_THROWS_AS(candidates(Continuation::resume), std::invalid_argument);  // 4 TiB of weights
    settings.clear();
    CHECK_THROWS_AS(candidates(Continuation::resume), std::invalid_argument);
}

TEST_CASE_FIXTURE(Fixture, "either all or none of several candidates are appended") {
    Candidates all({fold_of(data)}, {settings[0]}, 6, 1, kNoLimit);
    CHECK(all.count() == 6);
    CHECK(all.known() == 1);
    CHECK_THROWS_AS(all.append({settings.begin(), settings.begin() + 6}), std::invalid_argument);
    std::vector<Settings> bad(settings.begin(), settings.begin() + 3);
    bad[2].dropout = 1.0;
    CHECK_THROWS_AS(all.append(bad), std::invalid_argument);
    CHECK(all.known() == 1);
    all.append({settings.begin() + 1, settings.begin() + 6});
    CHECK(all.known() == 6);
    CHECK(weights_after(all, {5, 0, 1}) == trained(data, settings[5], 5, {1}));
}

TEST_CASE_FIXTURE(Fixture, "an endless stream starts without candidates, and appending does not move them") {
    constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 1;
    Candidates all({fold_of(data)}, {}, kMost, 2, kNoLimit);
    CHECK(all.known() == 0);
    all.append({settings[0], settings[1]});
    std::thread trains([&] {
        for (std::int32_t rung = 0; rung < 8; ++rung) all.train({1, rung, std::int64_t{1} << rung}, 1, team, stop);
    });
    for (int i = 2; i < 10'000; i += 499)
        all.append(std::vector<Settings>(499, settings[static_cast<std::size_t>(i % 7)]));
    trains.join();
    CHECK(all.known() >= 10'000);
    for (const int i : {2, 4000, 4095, 4096, 4097, 8192, 9999}) {
        const auto batch = static_cast<std::size_t>((2 + (i - 2) / 499 * 499) % 7);
        CHECK(weights_after(all, {i, 0, 1}) == trained(data, settings[batch], static_cast<std::uint32_t>(i), {1}));
    }
    CHECK(weights(*all.publish(1).front()) == trained(data, settings[1], 1, {1, 2, 4, 8, 16, 32, 64, 128}));
}

TEST_CASE_FIXTURE(Fixture, "costs depend on the epochs of the job and on the rows of a batch") {
    settings[2].hidden = {10, 9};
    const Candidates all = candidates(Continuation::resume);
    const double forward = 16 * (5 + 10 + 9);  // columns padded to lines of 16
    const double training = 2 * forward + 16 * (9 + 3);
    CHECK(all.cost({2, 3, 8}) == 8 * 100 * training + 50 * forward);
    CHECK(all.step_cost(2) == 18 * training);
    CHECK(all.step_cost(4) == 100 * 16 * (2 * (5 + 12) + 3));  // candidate 4 trains on all rows in one batch
}

TEST_CASE("epochs of rungs are counted up to 2^62 and refused beyond") {
    constexpr std::int64_t kMost = std::int64_t{1} << 62;
    const auto rules = [](std::int64_t min_epochs, std::int64_t eta, Continuation continuation = Continuation::resume) {
        return JobRules{
            .kernels = kernels(""), .seed = kSeed, .continuation = continuation, .min_epochs = min_epochs, .eta = eta};
    };
    CHECK(rules(1, 2).epochs_after(0) == 1);
    CHECK(rules(1, 2).epochs_after(3) == 1 + 2 + 4 + 8);
    CHECK(rules(5, 3).epochs_after(2) == 5 + 15 + 45);
    CHECK(rules(1, 2).epochs_after(61) == kMost - 1);
    CHECK(rules(kMost, 2).epochs_after(0) == kMost);
    CHECK(rules(1, 2, Continuation::restart).epochs_of_state(0) == 1);
    CHECK(rules(1, 2, Continuation::restart).epochs_of_state(61) == kMost / 2);
    const auto refuses = [&](std::int64_t min_epochs, std::int64_t eta, std::int32_t rung) {
        for (const Continuation continuation : {Continuation::resume, Continuation::restart}) {
            CHECK_THROWS_AS(rules(min_epochs, eta, continuation).epochs_after(rung), std::invalid_argument);
            CHECK_THROWS_AS(rules(min_epochs, eta, continuation).epochs_of_state(rung), std::invalid_argument);
        }
    };
    using Limits = std::numeric_limits<std::int32_t>;
    for (const std::int32_t rung : {Limits::min(), -1, 62, 63, Limits::max()}) refuses(1, 2, rung);
    for (const std::int64_t eta : {-2, 0, 1}) refuses(1, eta, 1);
    refuses(5, 3, 40);
    refuses(kMost + 1, 2, 0);
    refuses(0, 2, 1);
}

TEST_CASE_FIXTURE(Fixture, "states are refused if no ladder has their rung or if counters would overflow") {
    for (const Continuation continuation : {Continuation::resume, Continuation::restart}) {
        Candidates all = candidates(continuation);
        State state = initial_state(data.shape(), settings[1], kSeed, 1);
        for (const std::int32_t rung : {-1, 0, 40, 62, 63, 1'000'000'000}) {
            for (const std::int64_t epochs : {std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
                state.epochs = epochs;
                CHECK_THROWS_AS(all.restore(1, rung, {state}), std::invalid_argument);
            }
        }
        state.epochs = 1;
        for (const std::int64_t updates : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
            state.updates = updates;
            CHECK_THROWS_AS(all.restore(1, 0, {state}), std::invalid_argument);
        }
        state.updates = 3;
        CHECK_NOTHROW(all.restore(1, 0, {state}));
    }
}

TEST_CASE_FIXTURE(Fixture, "a state of a candidate that is not known yet is checked when its job is replayed") {
    const std::vector<double> scores = {0.5};
    for (const bool fits : {true, false}) {
        Candidates all({{data, {.kernels = kernels(""), .seed = kSeed, .min_epochs = 1, .eta = 2}}}, {settings[0]}, 2,
                       1, 0);
        CHECK_THROWS_AS(all.restore(2, 0, {}), std::invalid_argument);
        State state = initial_state(data.shape(), settings[1], kSeed, 1);
        state.epochs = fits ? 1 : 2;
        state.updates = 3;
        all.restore(1, 0, {state});
        all.append({settings[1]});
        if (fits) {
            all.replay({1, 0, 1}, scores);
            all.wait(1, 0, 0.5, 0.1);
            CHECK(all.share(1, 0).at(0)->updates == 3);
        } else {
            CHECK_THROWS_AS(all.replay({1, 0, 1}, scores), std::invalid_argument);
        }
    }
}

TEST_CASE_FIXTURE(Fixture, "a job of 2^62 epochs trains until it is stopped") {
    const JobRules rules{.kernels = kernels(""), .seed = kSeed};
    Workspace scratch(data, {&settings[1], 1});
    JobRun run{.data = data,
               .settings = settings[1],
               .rules = rules,
               .job = {1, 0, std::int64_t{1} << 62},
               .scratch = scratch,
               .stop = &stop};
    State state = run.initial();
    std::thread stops([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop = true;
    });
    CHECK(run.train(state).stopped);
    stops.join();
}

TEST_CASE_FIXTURE(Fixture, "memory limits are 0 or more, and any number of folds may share one") {
    const auto made = [&](std::int64_t limit) {
        return Candidates({fold_of(data), fold_of(data), fold_of(data)}, settings, std::ssize(settings), 1, limit);
    };
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    for (const std::int64_t limit : {std::int64_t{0}, std::int64_t{1}, kMost})
        CHECK(made(limit).memory().limit == limit);
    CHECK_THROWS_AS(made(-1), std::invalid_argument);
}
