// Tests epochs that are parts of a pass: their rows and their cost, and that dividing a job into shorter jobs leaves
// the results bit-identical.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "ash/data/epoch_cut.hpp"
#include "ash/model/cost.hpp"
#include "ash/run/candidates.hpp"
#include "ash/run/retrain.hpp"
#include "recipe_help.hpp"
#include "team_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

constexpr std::uint64_t kSeed = 5;

// Returns data with at most `epoch_rows` rows per epoch.
Data cut_data(int rows, int classes, std::int64_t epoch_rows) {
    std::vector<double> x;
    std::vector<double> y;
    for (int row = 0; row < rows; ++row) {
        for (std::uint32_t f = 0; f < 3; ++f)
            x.push_back(unit_float(philox({static_cast<std::uint32_t>(row), f, 0, 0}, 7)[0]));
        const double sum = x.back() + x[x.size() - 2];
        y.push_back(classes > 0 ? static_cast<int>(sum * 3.0) % classes : sum);
    }
    std::vector<std::int64_t> training(static_cast<std::size_t>(rows) - 9);
    std::iota(training.begin(), training.end(), 9);
    std::vector<std::int64_t> validation(9);
    std::iota(validation.begin(), validation.end(), 0);
    DataBuilder builder(3, {y.data(), rows, 1, classes}, {training}, {validation}, {true, true, true}, epoch_rows);
    builder.observe(x.data(), rows);
    builder.fill(x.data(), rows);
    return builder.finish();
}

State left_by(const Data& data, const Settings& settings, const std::vector<std::int64_t>& jobs, Team* team = nullptr) {
    State state = initial_state(data.shape(), settings, kSeed, 2);
    for (const std::int64_t epochs : jobs) {
        Workspace workspace(data, {&settings, 1});  // a new workspace per job, so that only the state is carried over
        train(data, settings, {.epochs = epochs, .seed = kSeed, .candidate = 2, .team = team}, kernels(""), state,
              workspace);
    }
    return state;
}

bool same_state(const State& a, const State& b) {
    return same_bits(a.weights, b.weights) && same_bits(a.first_moment, b.first_moment) &&
           same_bits(a.second_moment, b.second_moment) && a.epochs == b.epochs && a.updates == b.updates;
}

}  // namespace

TEST_CASE("a pass uses no row twice and omits fewer rows than it has parts, and no epoch exceeds its limit") {
    for (const std::int64_t rows : {1, 2, 7, 10, 11, 64, 97, 1000}) {
        for (std::int64_t most = 0; most <= rows + 1; ++most) {
            const EpochCut cut(rows, most);
            CHECK(cut.rows() >= 1);
            CHECK((most == 0 || cut.rows() <= most));
            CHECK(cut.rows() * cut.parts() <= rows);
            CHECK(rows - cut.rows() * cut.parts() < cut.parts());
            CHECK((most > 0 && most < rows) == (cut.parts() > 1));
            std::vector<bool> taken(static_cast<std::size_t>(rows), false);
            for (std::int64_t epoch = 3 * cut.parts(); epoch < 4 * cut.parts(); ++epoch) {
                const EpochCut::Window window = cut.window(epoch);
                CHECK(window.pass == 3);
                for (std::int64_t place = window.first; place < window.first + cut.rows(); ++place) {
                    CHECK_FALSE(taken.at(static_cast<std::size_t>(place)));
                    taken[static_cast<std::size_t>(place)] = true;
                }
            }
        }
    }
}

TEST_CASE("an epoch of all rows is a whole pass") {
    const Data whole = cut_data(109, 3, 0);
    for (const std::int64_t most : {100, 101, 1'000'000}) {
        const Data data = cut_data(109, 3, most);
        CHECK(data.epochs().parts() == 1);
        const Settings settings = settings_of(Optimizer::adamw, 16);
        CHECK(same_state(left_by(whole, settings, {1, 2}), left_by(data, settings, {1, 2})));
    }
    CHECK_THROWS_AS(cut_data(109, 3, -1), std::invalid_argument);
}

TEST_CASE("a job resumed in the middle of a pass has the bits of an uninterrupted job") {
    for (const int classes : {0, 3}) {
        const Data data = cut_data(109, classes, 30);
        CHECK(data.epochs().parts() == 4);
        Settings settings = settings_of(Optimizer::adamw, 8);
        // The rate is constant, since a cycle of the rate depends on the length of the job.
        settings.learning_rate_schedule = LearningRateSchedule::constant;
        const State unbroken = left_by(data, settings, {11});
        CHECK(unbroken.updates == 11 * 4);  // 25 rows per epoch, 8 per update
        for (const std::vector<std::int64_t>& jobs :
             std::vector<std::vector<std::int64_t>>{{1, 10}, {4, 7}, {2, 3, 6}, {1, 1, 1, 8}})
            CHECK(same_state(left_by(data, settings, jobs), unbroken));
        settings.learning_rate_schedule = LearningRateSchedule::cycle;
        CHECK_FALSE(same_bits(left_by(data, settings, {1, 10}).weights, left_by(data, settings, {11}).weights));
    }
}

TEST_CASE("a full batch uses all rows in each epoch") {
    const Settings full = settings_of(Optimizer::adam, 0);
    const State whole = left_by(cut_data(109, 3, 0), full, {1, 2});
    CHECK(same_state(left_by(cut_data(109, 3, 30), full, {1, 2}), whole));
    const Data data = cut_data(109, 3, 30);
    CHECK(epochs_of(full, data).rows() == 100);
    CHECK(batch_rows(full, data) == 100);
    CHECK(batch_rows(settings_of(Optimizer::adam, 64), data) == 25);
    CHECK(batch_rows(settings_of(Optimizer::adam, 8), data) == 8);
}

TEST_CASE("a team that trains on parts of a pass gives the bits of one thread") {
    const Data data = cut_data(409, 3, 150);
    const Settings settings = settings_of(Optimizer::adamw, 60);
    const State alone = left_by(data, settings, {3, 10});
    std::atomic<std::uint32_t> bell{0};
    Team team(bell);
    Members members(team, bell, 2, [&](Workspace& scratch) { scratch.prepare(data, settings); });
    team.open(2, no_ring, nullptr);
    CHECK(same_state(left_by(data, settings, {3, 10}, &team), alone));
    team.close();
}

TEST_CASE("a job's cost includes its epochs and its scoring, and its loss is the mean over its rows") {
    const Data data = cut_data(109, 0, 30);
    Settings settings = settings_of(Optimizer::sgd, 8);
    Settings full = settings_of(Optimizer::sgd, 0);
    const JobRules rules{.kernels = kernels(""), .seed = kSeed, .metric = Metric::r2};
    const Candidates all({{data, rules}}, {settings, full}, 2, 1, 0);
    const Layout layout(data.shape(), settings);
    CHECK(all.cost({0, 1, 2}) == job_cost(layout, 25, 9, 2));
    CHECK(all.cost({1, 1, 2}) == job_cost(layout, 100, 9, 2));
    CHECK(all.step_cost(0) == 8 * training_cost(layout));

    // Weights hardly change, so the mean loss of a pass is the loss of all its rows under the same weights.
    settings.learning_rate = 1e-30;
    settings.dropout = 0.0;
    settings.l2 = 0.0;
    std::vector<double> losses(4);
    State state = initial_state(data.shape(), settings, kSeed, 2);
    Workspace workspace(data, {&settings, 1});
    const Training pass{.epochs = 4, .seed = kSeed, .candidate = 2, .losses = losses};
    const Outcome outcome = train(data, settings, pass, kernels(""), state, workspace);
    CHECK(outcome.loss == losses.back());
    const Data whole = cut_data(109, 0, 0);
    State twin = initial_state(whole.shape(), settings, kSeed, 2);
    const Training once{.epochs = 1, .seed = kSeed, .candidate = 2};
    const double mean = train(whole, settings, once, kernels(""), twin, workspace).loss;
    CHECK(std::accumulate(losses.begin(), losses.end(), 0.0) / 4.0 == doctest::Approx(mean).epsilon(1e-6));
    CHECK(*std::ranges::max_element(losses) > *std::ranges::min_element(losses));
}

TEST_CASE("a refit continues training with epochs over its own rows") {
    const Data data = cut_data(109, 3, 30);
    const Data more = cut_data(149, 3, 30);  // 140 training rows in 5 parts of 28
    const Settings settings = settings_of(Optimizer::adamw, 8);
    const JobRules rules{.kernels = kernels(""), .seed = kSeed};
    std::vector<RetrainJob> jobs{{more, settings, rules, {2, 0, 3}, left_by(data, settings, {1, 2})}};
    State alone = left_by(data, settings, {1, 2});
    Workspace workspace(more, {&settings, 1});
    train(more, settings, {.epochs = 3, .seed = kSeed, .candidate = 2}, kernels(""), alone, workspace);
    retrain(jobs, 1, [] { return false; });
    CHECK(jobs[0].done());
    CHECK(same_state(jobs[0].state, alone));
    CHECK(alone.updates == 3 * 4 + 3 * 4);
}
