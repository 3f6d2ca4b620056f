// Tests the tuner's threads. Every job runs once, on one thread; no wake-up is lost; stops and failures end all
// threads. The candidates only pretend to train.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/run/tuner.hpp"
#include "team_help.hpp"

namespace {

using namespace std::chrono_literals;
using ash::Job;
using ash::LadderSettings;
using ash::Result;
using ash::Tuner;
using ash::testing::processor_seconds;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kLong = 60.0;  // seconds; exceeded only if a thread sleeps forever

using Train = std::function<Result(const Job&, const std::atomic<bool>& stop)>;

// Candidates that check that no two threads train the same candidate at once.
class Pretenders final : public ash::Candidates {
  public:
    Pretenders(std::int64_t count, Train train)
        : Candidates(count), train_(std::move(train)), busy_(static_cast<std::size_t>(count)) {}

    double cost(const Job& job) const override { return static_cast<double>(job.epochs); }
    double step_cost(std::int32_t) const override { return 0.0; }  // so little work that no team is formed

    Result train(const Job& job, int, ash::Team&, const std::atomic<bool>& stop) override {
        const auto candidate = static_cast<std::size_t>(job.candidate);
        if (busy_[candidate].exchange(true)) throw std::logic_error("two threads train one candidate");
        const Result result = train_(job, stop);
        busy_[candidate] = false;
        return result;
    }

    ash::Team::Help help(std::int32_t, int, ash::Team&, const ash::Team::Invitation&) override { return {}; }

  private:
    Train train_;
    std::vector<std::atomic<bool>> busy_;
};

std::unique_ptr<Tuner> pretend(std::int64_t count, int threads, Train train, LadderSettings ladder = {}) {
    const ash::TunerSettings settings{.ladder = ladder, .threads = threads, .schedule = ash::Schedule::greedy};
    return std::make_unique<Tuner>(std::make_unique<Pretenders>(count, std::move(train)), settings);
}

Result scored(double score) { return {.score = score, .loss = -score, .training_loss = 0.0}; }

Result by_number(const Job& job, const std::atomic<bool>&) { return scored(job.candidate); }

// Does a job that ends only when `stop` is set.
Result endless(const Job&, const std::atomic<bool>& stop) {
    while (!stop) std::this_thread::sleep_for(1ms);
    return {.stopped = true};
}

void check_records(const Tuner& tuner, int threads) {
    std::set<std::pair<int, int>> seen;
    std::map<int, double> last_end;
    for (const ash::JobRecord& record : tuner.records().jobs()) {
        CHECK(seen.emplace(record.task.job.candidate, record.task.job.rung).second);
        CHECK(record.thread >= 0);
        CHECK(record.thread < threads);
        CHECK(record.start <= record.end);
        CHECK(record.start >= last_end[record.thread]);  // a thread does one job at a time
        last_end[record.thread] = record.end;
    }
}

}  // namespace

TEST_CASE("every job runs once, with the epochs of successive halving") {
    for (const int threads : {1, 2, 3, 7}) {
        const auto tuner = pretend(128, threads, by_number);
        tuner->start();
        REQUIRE(tuner->wait(kLong));
        check_records(*tuner, threads);
        const std::vector<ash::JobRecord> jobs = tuner->records().jobs();
        CHECK(jobs.size() == 254);
        const std::int64_t epochs =
            std::accumulate(jobs.begin(), jobs.end(), std::int64_t{0},
                            [](auto sum, const auto& each) { return sum + each.task.job.epochs; });
        CHECK(epochs == 896);
        for (const ash::RungCounts& rung : tuner->records().rungs()) {
            CHECK(rung.finished == rung.places);
            CHECK(rung.running == 0);
        }
        const std::vector<ash::Kept> kept = tuner->kept();
        REQUIRE(kept.size() == 1);
        CHECK(kept.front().candidate == 127);
        CHECK(kept.front().rung == 0);  // the same score in a higher rung does not replace it
    }
}

TEST_CASE("on one thread, the tuner decides like the ladder") {
    for (const ash::Promotion promotion : {ash::Promotion::capped, ash::Promotion::paper}) {
        const LadderSettings settings{.candidates = 50, .promotion = promotion};
        const auto score = [](const Job& job) { return static_cast<double>(job.candidate * 7 % 13); };
        const auto tuner = pretend(50, 1, [&](const Job& job, const auto&) { return scored(score(job)); }, settings);
        tuner->start();
        REQUIRE(tuner->wait(kLong));
        ash::Ladder ladder(settings);
        for (const ash::JobRecord& record : tuner->records().jobs()) {
            const Job job = ladder.next().value();
            CHECK(record.task.job.candidate == job.candidate);
            CHECK(record.task.job.rung == job.rung);
            ladder.report(job, score(job), -score(job));
        }
        CHECK(ladder.finished());
    }
}

TEST_CASE("events report all jobs in order, each job once") {
    const auto tuner =
        pretend(16, 3, [](const Job& job, const auto&) { return scored(job.candidate == 3 ? kNan : job.candidate); });
    tuner->start();
    REQUIRE(tuner->wait(kLong));
    const std::vector<ash::Event> events = tuner->records().take_events();
    CHECK(tuner->records().take_events().empty());
    std::map<std::pair<int, int>, ash::EventKind> last;
    std::map<ash::EventKind, std::size_t> counts;
    for (const ash::Event& event : events) {
        ++counts[event.kind];
        const std::pair key(event.candidate, event.rung);
        switch (event.kind) {
            case ash::EventKind::started:
                CHECK_FALSE(last.contains(key));
                if (event.rung > 0) CHECK(last.at({event.candidate, event.rung - 1}) == ash::EventKind::promoted);
                break;
            case ash::EventKind::finished:
                CHECK(last.at(key) == ash::EventKind::started);
                CHECK(event.score == event.candidate);
                break;
            case ash::EventKind::diverged:
                CHECK(event.candidate == 3);
                CHECK(std::isnan(event.score));
                break;
            case ash::EventKind::promoted:
                CHECK(last.at(key) == ash::EventKind::finished);
                break;
        }
        last[key] = event.kind;
    }
    CHECK(counts[ash::EventKind::diverged] == 1);
    CHECK(counts[ash::EventKind::started] == tuner->records().jobs().size());
    CHECK(counts[ash::EventKind::promoted] == tuner->records().jobs().size() - 16);
}

// A sleeping thread must wake up as soon as there is a job. With synchronous halving and more threads than jobs, nearly
// all threads sleep between rungs, so a lost wake-up would make the run hang.
TEST_CASE("no wake-up is lost") {
    for (int round = 0; round < 30; ++round) {
        const auto tuner = pretend(16, 8, by_number, {.algorithm = ash::Algorithm::sh});
        tuner->start();
        REQUIRE(tuner->wait(kLong));
        CHECK(tuner->records().jobs().size() == 30);
    }
}

TEST_CASE("a stop ends running jobs and waiting threads, and keeps finished jobs") {
    const auto tuner = pretend(8, 4,
                               [](const Job& job, const std::atomic<bool>& stop) {
                                   return job.candidate < 5 ? by_number(job, stop) : endless(job, stop);
                               },
                               {.max_rungs = 1});
    tuner->start();
    while (tuner->records().jobs().size() < 5) std::this_thread::sleep_for(1ms);
    CHECK_FALSE(tuner->wait(0.02));
    tuner->stop();
    REQUIRE(tuner->wait(kLong));
    CHECK(tuner->records().jobs().size() == 5);
    CHECK(tuner->kept().front().candidate == 4);
}

TEST_CASE("an idle thread uses no CPU time") {
    const auto tuner = pretend(2, 8, endless);
    tuner->start();
    CHECK_FALSE(tuner->wait(0.05));  // the six other threads are asleep
    const double start = processor_seconds();
    const auto began = std::chrono::steady_clock::now();
    CHECK_FALSE(tuner->wait(0.3));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - began;
    CHECK(processor_seconds() - start < elapsed.count() / 3);
}

TEST_CASE("a run can be stopped before its start, twice, at any moment, and by the destructor") {
    for (int round = 0; round < 30; ++round) {
        const auto tuner = pretend(64, 4, by_number);
        if (round == 0) tuner->stop();
        CHECK_THROWS_AS(tuner->wait(0.0), std::logic_error);
        tuner->start();
        CHECK_THROWS_AS(tuner->start(), std::logic_error);
        std::this_thread::sleep_for(std::chrono::microseconds(20 * round));
        if (round % 3 == 0) continue;
        tuner->stop();
        tuner->stop();
        REQUIRE(tuner->wait(kLong));
        REQUIRE(tuner->wait(0.0));
        check_records(*tuner, 4);
    }
    const auto idle = pretend(4, 2, endless);
    idle->start();
}

TEST_CASE("F85 an exception of a job ends the run and reaches the caller; the next run works") {
    const auto run = [](auto thrown, int threads) {
        const auto tuner = pretend(32, threads, [&](const Job& job, const std::atomic<bool>& stop) -> Result {
            if (job.candidate == 5) throw thrown;
            return job.candidate > 5 ? endless(job, stop) : by_number(job, stop);
        });
        tuner->start();
        tuner->wait(kLong);
    };
    for (const int threads : {1, 2, 7}) {
        CHECK_THROWS_AS(run(std::bad_alloc(), threads), std::bad_alloc);
        CHECK_THROWS_WITH_AS(run(std::runtime_error("broken"), threads), "broken", std::runtime_error);
        CHECK_THROWS_AS(run(7, threads), int);
    }
    const auto tuner = pretend(32, 7, by_number);
    tuner->start();
    REQUIRE(tuner->wait(kLong));
    CHECK(tuner->records().rungs().front().finished == 32);
}

TEST_CASE("an exception of a job after the caller has stopped the run is rethrown") {
    std::atomic<bool> begun{false};
    const auto tuner = pretend(2, 2, [&](const Job& job, const std::atomic<bool>& stop) -> Result {
        if (job.candidate == 1) return endless(job, stop);
        begun = true;
        endless(job, stop);
        throw std::range_error("late");
    });
    tuner->start();
    while (!begun) std::this_thread::yield();
    tuner->stop();
    const auto ended = [&] {
        while (!tuner->wait(kLong)) continue;
    };
    CHECK_THROWS_AS(ended(), std::range_error);
}

TEST_CASE("the best job has not diverged, and is the first by score, loss, candidate and rung") {
    const std::vector<Result> results = {{.score = 1.0, .loss = 0.5},  {.score = 2.0, .loss = 0.5},
                                         {.score = 2.0, .loss = 0.25}, {.score = 2.0, .loss = 0.25},
                                         {.score = kNan, .loss = 0.0}, {.score = 9.0, .loss = kNan}};
    const auto tuner =
        pretend(6, 1, [&](const Job& job, const auto&) { return results[static_cast<std::size_t>(job.candidate)]; });
    tuner->start();
    REQUIRE(tuner->wait(kLong));
    const std::vector<ash::Kept> kept = tuner->kept();
    REQUIRE(kept.size() == 1);
    CHECK(kept.front().candidate == 2);
    CHECK(kept.front().rung == 0);
    const auto none = pretend(4, 2, [](const Job&, const auto&) { return scored(kNan); });
    none->start();
    REQUIRE(none->wait(kLong));
    CHECK(none->kept().empty());
    CHECK(none->records().jobs().size() == 4);
}

TEST_CASE("two tuners at the same time do not affect each other") {
    const auto first = pretend(64, 2, by_number);
    const auto second = pretend(100, 3, by_number, {.eta = 3});
    first->start();
    second->start();
    REQUIRE(second->wait(kLong));
    REQUIRE(first->wait(kLong));
    CHECK(first->records().rungs().back().finished == 2);
    CHECK(second->records().rungs().back().finished == 3);
}

TEST_CASE("calls in the wrong order are refused and do not affect the run") {
    const auto tuner = pretend(4, 1, by_number);
    CHECK_THROWS_WITH_AS(tuner->wait(0.0), "this tuner was not started", std::logic_error);
    tuner->start();
    CHECK_THROWS_WITH_AS(tuner->start(), "this tuner was started before", std::logic_error);
    CHECK_THROWS_WITH_AS(tuner->restore_state(0, 0, {}), "this tuner was started before", std::logic_error);
    REQUIRE(tuner->wait(kLong));
    CHECK(tuner->records().rungs().front().finished == 4);
}

TEST_CASE("a tuner with invalid settings is refused") {
    const auto made = [](const ash::TunerSettings& settings) {
        return Tuner(std::make_unique<Pretenders>(4, by_number), settings);
    };
    CHECK_THROWS_WITH_AS(made({.ladder = {}, .ahead = -1}), doctest::Contains("ahead"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(made({.ladder = {}, .keep = 0}), doctest::Contains("keep"), std::invalid_argument);
    CHECK_THROWS_AS(pretend(4, 0, by_number), std::invalid_argument);
    CHECK_THROWS_AS(pretend(0, 1, by_number), std::invalid_argument);
    CHECK_THROWS_AS(pretend(4, 1, by_number, {.eta = 1}), std::invalid_argument);
}
