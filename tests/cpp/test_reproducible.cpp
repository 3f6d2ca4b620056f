// Tests the promise that records are equal, bit for bit, for any number of threads, with and without teams and memory
// limits, and with random delays of jobs. Also tests that runs stopped at any moment end.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/run/tuner.hpp"
#include "training_data.hpp"

namespace {

using namespace ash;

// The facts about a job that must not depend on timing. There is one row per job, in order of decision.
using Row = std::array<std::uint64_t, 9>;

std::vector<Row> rows(const Tuner& tuner) {
    std::vector<Row> all;
    for (const JobRecord& r : tuner.records().jobs()) {
        const auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value); };
        const auto number = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
        all.push_back({number(r.task.job.candidate), number(r.task.job.rung), number(r.task.worker), bits(r.task.start),
                       bits(r.task.finish), bits(r.score), bits(r.loss), bits(r.training_loss), r.weights_hash});
    }
    return all;
}

// Networks whose jobs sleep at random. Their step_cost() claims that a team is worthwhile.
class Shaken final : public Candidates {
  public:
    Shaken(const Fold& fold, std::vector<Settings> all, int threads, std::int64_t memory_limit, bool sleepy)
        : Candidates({fold}, all, std::ssize(all), threads, memory_limit), sleepy_(sleepy) {}

    double step_cost(std::int32_t) const override { return 1e9; }
    Result train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) override {
        sleep();
        const Result result = Candidates::train(job, thread, team, stop);
        sleep();
        return result;
    }
    Team::Help help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) override {
        sleep();
        return Candidates::help(candidate, thread, team, invitation);
    }

  private:
    void sleep() const {
        if (!sleepy_) return;
        thread_local std::mt19937 random(std::random_device{}());
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
    }

    bool sleepy_;
};

std::vector<Settings> mixed(int count) {
    std::vector<Settings> all;
    for (int i = 0; i < count; ++i) {
        Settings settings = ash::testing::settings_of(static_cast<Optimizer>(i % 5), std::array{0, 16, 33}[i % 3]);
        settings.hidden = {8 + 7 * (i % 4), 5};
        settings.dropout = i % 2 == 0 ? 0.0 : 0.2;
        if (i % 11 == 0) settings.learning_rate = 1e6;  // diverges
        all.push_back(settings);
    }
    return all;
}

struct Run {
    int threads = 1;
    bool teams = true;
    std::int64_t memory_limit = 0;
    bool sleepy = false;
    LadderSettings ladder = {};
    Continuation continuation = Continuation::resume;
    double work_limit = 0.0;
};

std::unique_ptr<Tuner> make_tuner(const Data& data, std::uint64_t seed, const Run& run) {
    constexpr int kCount = 40;
    const Metric metric = data.classes() > 0 ? Metric::accuracy : Metric::r2;
    const Fold fold{data, {.kernels = kernels(""), .seed = seed, .continuation = run.continuation, .metric = metric}};
    return std::make_unique<Tuner>(
        std::make_unique<Shaken>(fold, mixed(kCount), run.threads, run.memory_limit, run.sleepy),
        TunerSettings{.ladder = run.ladder,
                      .threads = run.threads,
                      .workers = 6,
                      .work_limit = run.work_limit,
                      .teams = run.teams});
}

std::vector<Row> outcome(const Data& data, std::uint64_t seed, const Run& run) {
    const auto tuner = make_tuner(data, seed, run);
    tuner->start();
    REQUIRE(tuner->wait(60.0));
    return rows(*tuner);
}

}  // namespace

TEST_CASE("records are the same for any threads, teams, memory limits and delays") {
    for (const int classes : {3, 0}) {
        const Data data = ash::testing::make_data(150, 6, classes);
        for (const std::uint64_t seed : {0U, 1U}) {
            const std::vector<Row> expected = outcome(data, seed, {});
            CHECK(expected.size() > 70);
            for (const int threads : {1, 2, 3, 4, 7}) {
                for (const bool teams : {true, false}) {
                    CHECK(outcome(data, seed, {.threads = threads, .teams = teams}) == expected);
                }
                CHECK(outcome(data, seed, {.threads = threads, .memory_limit = 4000, .sleepy = true}) == expected);
            }
        }
    }
}

TEST_CASE("the ladder's limits end a run at the same decision, whichever jobs are still running") {
    const Data data = ash::testing::make_data(150, 6, 3);
    for (const LadderSettings& ladder : {LadderSettings{.max_total_epochs = 70}, LadderSettings{.stop_score = 0.6},
                                         LadderSettings{.promotion = Promotion::paper, .stop_score = 0.5}}) {
        for (const Continuation continuation : {Continuation::resume, Continuation::restart}) {
            const Run one{.ladder = ladder, .continuation = continuation};
            const std::vector<Row> expected = outcome(data, 3, one);
            CHECK(expected.size() >= 1);
            for (const int threads : {2, 5}) {
                Run run = one;
                run.threads = threads;
                run.sleepy = true;
                CHECK(outcome(data, 3, run) == expected);
            }
        }
    }
}

TEST_CASE("no job starts after the work limit is reached, and the last job is the same on any number of threads") {
    const Data data = ash::testing::make_data(150, 6, 3);
    const auto whole = make_tuner(data, 3, {});
    whole->start();
    REQUIRE(whole->wait(60.0));
    double work = 0.0;
    double most = 0.0;
    for (const JobRecord& record : whole->records().jobs()) {
        work += record.task.finish - record.task.start;
        most = std::max(most, record.task.finish - record.task.start);
    }
    for (const double limit : {1.0, 0.4 * work, 0.7 * work}) {
        const auto tuner = make_tuner(data, 3, {.work_limit = limit});
        tuner->start();
        REQUIRE(tuner->wait(60.0));
        CHECK(tuner->ending() == Ending::work_limit);
        double spent = 0.0;
        for (const JobRecord& record : tuner->records().jobs()) spent += record.task.finish - record.task.start;
        CHECK(spent >= limit);
        CHECK(spent < limit + most);
        for (const int threads : {2, 5})
            CHECK(outcome(data, 3, {.threads = threads, .sleepy = true, .work_limit = limit}) == rows(*tuner));
    }
    CHECK(outcome(data, 3, {.work_limit = 2.0 * work}) == rows(*whole));
}

TEST_CASE("the records of a stopped run are the first of the whole run, and a report limit reproduces them") {
    const Data data = ash::testing::make_data(150, 6, 3);
    const std::vector<Row> all = outcome(data, 4, {});
    const auto first = [&](std::int64_t count) { return std::vector<Row>(all.begin(), all.begin() + count); };
    for (const int threads : {1, 2, 5}) {
        for (const double seconds : {0.0, 0.002, 0.005, 0.01, 0.02}) {
            const auto tuner = make_tuner(data, 4, {.threads = threads, .sleepy = true});
            tuner->start();
            tuner->wait(seconds);
            tuner->stop();
            REQUIRE(tuner->wait(60.0));
            const std::vector<Row> stopped = rows(*tuner);
            const std::int64_t count = std::ssize(stopped);
            CHECK(stopped == first(count));
            if (count == 0 || count == std::ssize(all)) continue;
            CHECK(outcome(data, 4, {.threads = 6 - threads, .ladder = {.report_limit = count}}) == stopped);
        }
    }
}

TEST_CASE("a job that would end after the deadline starts only after the deadline is moved") {
    const Data data = ash::testing::make_data(150, 6, 3);
    const std::vector<Row> all = outcome(data, 5, {});
    for (const int threads : {1, 3}) {
        const auto tuner = make_tuner(data, 5, {.threads = threads, .sleepy = true});
        tuner->limit(0.0);  // no effect until a job has ended, since durations are unknown before
        tuner->start();
        while (!tuner->is_out_of_time()) REQUIRE_FALSE(tuner->wait(0.001));
        CHECK(tuner->is_short_of_time());
        const std::vector<Row> before = rows(*tuner);
        REQUIRE_FALSE(tuner->wait(0.02));
        CHECK(rows(*tuner) == before);
        CHECK(std::ssize(before) < 40);
        tuner->limit(60.0);
        CHECK_FALSE(tuner->is_out_of_time());
        REQUIRE(tuner->wait(60.0));
        CHECK(rows(*tuner) == all);
    }
}

TEST_CASE("a greedy run ignores the deadline") {
    const Data data = ash::testing::make_data(150, 6, 3);
    const Fold fold{data, {.kernels = kernels(""), .seed = 5, .metric = Metric::accuracy}};
    Tuner tuner(std::make_unique<Shaken>(fold, mixed(40), 2, 0, false),
                {.ladder = {}, .threads = 2, .schedule = Schedule::greedy});
    tuner.limit(0.0);
    tuner.start();
    REQUIRE(tuner.wait(60.0));
    CHECK_FALSE(tuner.is_short_of_time());
    CHECK(tuner.ending() == Ending::finished);
}

TEST_CASE("a job of a team records its members and their time") {
    const Data data = ash::testing::make_data(150, 6, 3);
    const auto tuner = make_tuner(data, 0, {.threads = 7});
    tuner->start();
    REQUIRE(tuner->wait(60.0));
    for (const JobRecord& record : tuner->records().jobs()) {
        CHECK(record.team >= 1);
        CHECK(record.team <= 7);
        CHECK(record.core_seconds >= record.end - record.start);
    }
    for (const Assist& assist : tuner->records().assists()) {
        CHECK(assist.start <= assist.end);
        CHECK(assist.thread < 7);
    }
}

// ASH_STRESS_RUNS sets the number of runs (500 by default); use 10,000 without sanitizers.
TEST_CASE("tiny runs with random threads, stops and limits all end and leak nothing") {
    const char* wish = std::getenv("ASH_STRESS_RUNS");
    const int runs = wish == nullptr ? 500 : std::atoi(wish);
    const Data data = ash::testing::make_data(40, 3, 2);
    std::mt19937 random(7);
    for (int run = 0; run < runs; ++run) {
        Run settings{.threads = 1 + static_cast<int>(random() % 8),
                     .teams = random() % 4 > 0,
                     .memory_limit = random() % 2 == 0 ? 0 : 3000,
                     .ladder = {.max_rungs = 1 + static_cast<std::int64_t>(random() % 4)}};
        if (random() % 3 == 0) settings.ladder.max_total_epochs = 1 + random() % 50;
        if (random() % 3 == 0) settings.ladder.stop_score = 0.5 + 0.1 * static_cast<double>(random() % 6);
        const auto tuner = make_tuner(data, random(), settings);
        tuner->start();
        if (random() % 2 == 0) {
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
            tuner->stop();
        }
        REQUIRE(tuner->wait(60.0));
        const std::vector<JobRecord> jobs = tuner->records().jobs();
        std::vector<std::pair<int, int>> seen;
        for (const JobRecord& record : jobs) seen.emplace_back(record.task.job.candidate, record.task.job.rung);
        std::sort(seen.begin(), seen.end());
        CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    }
}
