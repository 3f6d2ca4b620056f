// Tests refits, that is, one more job for each of several candidates. The results must equal those of each job run
// separately, on any thread. Also tests that refits can be stopped.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ash/run/retrain.hpp"
#include "ash/train/trainer.hpp"
#include "ash/train/workspace.hpp"
#include "recipe_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

constexpr std::uint64_t kSeed = 11;

bool never() { return false; }

const JobRules kRules{.kernels = kernels(""), .seed = kSeed};

// Returns settings that all differ in width. Every second candidate has the recipe.
std::vector<Settings> make_settings(int count) {
    std::vector<Settings> all;
    for (int number = 0; number < count; ++number) {
        all.push_back(number % 2 == 0 ? recipe(Optimizer::adamw, 16) : settings_of(Optimizer::nesterov, 20));
        all.back().hidden = {20 + number, 7};
    }
    return all;
}

// Returns jobs on the rows of `next`, with different numbers of epochs. All candidates were trained on `data` for two
// epochs before.
std::vector<RetrainJob> jobs_on(const Data& data, const Data& next, const std::vector<Settings>& all) {
    std::vector<RetrainJob> jobs;
    for (const Settings& settings : all) {
        const auto number = static_cast<std::int32_t>(jobs.size());
        const auto candidate = static_cast<std::uint32_t>(number);
        State state = initial_state(data.shape(), settings, kSeed, candidate);
        Workspace workspace(data, {&settings, 1});
        train(data, settings, {.epochs = 2, .seed = kSeed, .candidate = candidate}, kernels(""), state, workspace);
        jobs.push_back({next, settings, kRules, {number, 0, 1 + number % 3}, std::move(state)});
    }
    return jobs;
}

}  // namespace

TEST_CASE("a refit equals the next job of each candidate, on any thread and any number of threads") {
    for (const int classes : {0, 3}) {
        const Data some = make_mixed_data(120, classes);
        const Data all = make_mixed_data(160, classes);
        const std::vector<Settings> settings = make_settings(7);
        std::vector<RetrainJob> alone = jobs_on(some, all, settings);
        for (RetrainJob& job : alone) {
            Workspace workspace(all, {&job.settings, 1});
            const Training training{
                .epochs = job.job.epochs, .seed = kSeed, .candidate = static_cast<std::uint32_t>(job.job.candidate)};
            REQUIRE_FALSE(train(all, job.settings, training, kernels(""), job.state, workspace).diverged);
        }
        for (const int threads : {1, 2, 3, 16}) {
            std::vector<RetrainJob> jobs = jobs_on(some, all, settings);
            retrain(jobs, threads, never);
            for (std::size_t job = 0; job < jobs.size(); ++job) {
                CHECK(jobs[job].done());
                CHECK(same_bits(jobs[job].state.weights, alone[job].state.weights));
                CHECK(same_bits(jobs[job].state.second_moment, alone[job].state.second_moment));
                CHECK(jobs[job].state.epochs == 2 + jobs[job].job.epochs);
            }
        }
    }
}

TEST_CASE("a network that threads share has the same bits for any number of threads") {
    const Data data = make_mixed_data(512, 3);
    Settings settings = recipe(Optimizer::adamw, 256);
    settings.hidden = {128, 128};
    const auto trained = [&](int threads) {
        std::vector<RetrainJob> jobs{{data, settings, kRules, {0, 0, 12}}};
        retrain(jobs, threads, never);
        CHECK(jobs[0].done());
        return std::move(jobs[0].state.weights);
    };
    const AlignedFloats alone = trained(1);
    for (const int threads : {2, 3}) CHECK(same_bits(trained(threads), alone));
}

TEST_CASE("a refit without jobs ends at once") {
    std::vector<RetrainJob> none;
    retrain(none, 2, [] {
        throw std::logic_error("nobody waits");
        return true;
    });
    CHECK(none.empty());
}

TEST_CASE("the job of a diverged candidate ends early and delays no other job") {
    const Data data = make_mixed_data(80, 2);
    const std::vector<Settings> settings = make_settings(4);
    std::vector<RetrainJob> jobs = jobs_on(data, data, settings);
    jobs[1].state.weights.data()[0] = std::numeric_limits<float>::quiet_NaN();
    retrain(jobs, 2, never);
    for (std::size_t job = 0; job < jobs.size(); ++job) CHECK(jobs[job].done() == (job != 1));
}

TEST_CASE("a stop ends the refit, and an exception of stop() is rethrown after all threads have left") {
    const Data data = make_mixed_data(80, 2);
    const std::vector<Settings> settings = make_settings(5);
    for (const bool throws : {false, true}) {
        std::vector<RetrainJob> jobs = jobs_on(data, data, settings);
        for (RetrainJob& job : jobs) job.job.epochs = std::int64_t{1} << 40;
        int asked = 0;
        const auto stop = [&] {
            if (++asked < 3) return false;
            if (throws) throw std::runtime_error("enough");
            return true;
        };
        if (throws) {
            CHECK_THROWS_AS(retrain(jobs, 2, stop), std::runtime_error);
        } else {
            retrain(jobs, 2, stop);
        }
        CHECK(std::none_of(jobs.begin(), jobs.end(), [](const RetrainJob& job) { return job.done(); }));
    }
}

TEST_CASE("an exception of a job is rethrown even while a long job runs and if stop() is slow") {
    const Data data = make_mixed_data(80, 2);
    std::vector<Settings> settings = make_settings(2);
    settings[0].hidden = {1 << 20, 1 << 20};  // 4 TiB of weights
    for (const int threads : {1, 2}) {
        std::vector<RetrainJob> jobs{{data, settings[1], kRules, {0, 0, threads == 1 ? 1 : std::int64_t{1} << 40}},
                                     {data, settings[0], kRules, {1, 0, 1}}};
        int asked = 0;
        const auto stop = [&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            return ++asked == 100;
        };
        CHECK_THROWS_AS(retrain(jobs, threads, stop), std::invalid_argument);
        CHECK(jobs[0].done() == (threads == 1));
    }
}
