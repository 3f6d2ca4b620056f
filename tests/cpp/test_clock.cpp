// Tests the clocks. The virtual clock must decide like a naive simulation for any number of threads and any order of
// execution.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "ash/search/clock.hpp"

namespace {

using ash::Algorithm;
using ash::Job;
using ash::Ladder;
using ash::LadderSettings;
using ash::Order;
using ash::Promotion;
using ash::Report;
using ash::Schedule;
using ash::Task;

// Returns an arbitrary score that depends only on the job. Some jobs diverge, and some scores are equal.
double score_of(const Job& job) {
    const int mixed = (job.candidate * 7919 + job.rung * 104729) % 101;
    return mixed == 0 ? std::numeric_limits<double>::quiet_NaN() : mixed / 2;
}

double cost_of(const Job& job) { return static_cast<double>(job.epochs * (1 + job.candidate * 31 % 7)); }

using Decision = std::tuple<int, int, int, double, double>;  // candidate, rung, worker, virtual start and finish

Decision decision(const Task& task) {
    return {task.job.candidate, task.job.rung, task.worker, task.start, task.finish};
}

// The naive twin searches the tasks of all workers for the next decision, and does every job immediately.
std::vector<Decision> naive(const LadderSettings& settings, int workers) {
    Ladder ladder(settings);
    std::map<int, Task> running;
    std::vector<Decision> decisions;
    double now = 0.0;
    for (;;) {
        for (int worker = 0; worker < workers; ++worker) {
            if (running.contains(worker)) continue;
            const auto job = ladder.next();
            if (!job) break;
            running[worker] = {*job, worker, now, now + cost_of(*job)};
        }
        if (running.empty() || ladder.finished()) return decisions;
        auto first = running.begin();
        for (auto each = running.begin(); each != running.end(); ++each) {
            if (each->second.finish < first->second.finish) first = each;
        }
        const Task task = first->second;
        running.erase(first);
        now = task.finish;
        ladder.report(task.job, score_of(task.job), -score_of(task.job));
        decisions.push_back(decision(task));
    }
}

// Executes a clock's tasks in random order and with random delays, like a run on several threads.
class Execution {
  public:
    Execution(const LadderSettings& settings, Schedule schedule, int workers, Order order, std::uint32_t seed,
              std::int64_t chunk = 0)
        : ladder_(settings),
          known_(chunk > 0 ? std::min(chunk, settings.candidates) : settings.candidates),
          chunk_(chunk),
          clock_(make_clock(schedule, ladder_, known_, workers, cost_of, order)),
          random_(seed) {}

    std::vector<Decision> run(std::size_t threads) {
        while (step(threads)) continue;
        CHECK(clock_->finished());
        return decisions_;
    }

    bool step(std::size_t threads) {
        const bool more_known = known_ < ladder_.candidates() && random_() % 3 == 0;
        if (more_known) {
            known_ = std::min(known_ + chunk_, ladder_.candidates());
            clock_->provide(known_);
            note();
        }
        if (running_.size() < threads && clock_->has_task()) {
            running_.push_back(clock_->next().value());
            CHECK(started_.emplace(running_.back().job.candidate, running_.back().job.rung).second);
            return true;
        }
        if (running_.empty()) return known_ < ladder_.candidates() && !clock_->finished();
        finish(random_() % running_.size());
        return true;
    }

    void finish(std::size_t place) {
        const Task task = running_[place];
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(place));
        clock_->finish({task, score_of(task.job), -score_of(task.job)});
        note();
    }

    void note() {
        for (const Report& report : clock_->decided()) decisions_.push_back(decision(report.task));
    }

    Ladder ladder_;
    std::int64_t known_;
    std::int64_t chunk_;
    std::unique_ptr<ash::Clock> clock_;
    std::mt19937 random_;
    std::vector<Task> running_;
    std::set<std::pair<int, int>> started_;
    std::vector<Decision> decisions_;
};

const std::vector<LadderSettings> kLadders = {
    {.candidates = 64},
    {.candidates = 50, .promotion = Promotion::paper},
    {.candidates = 81, .eta = 3, .min_epochs = 2, .promotion = Promotion::paper},
    {.candidates = 60, .promotion = Promotion::improving},
    {.candidates = 40, .algorithm = Algorithm::sh},
    {.candidates = 20, .algorithm = Algorithm::random},
    {.candidates = 64, .max_total_epochs = 150},
    {.candidates = 64, .promotion = Promotion::paper, .stop_score = 49.0},
    {.candidates = 1},
};

}  // namespace

TEST_CASE("the virtual clock decides like the naive simulation, in any order of execution") {
    for (const LadderSettings& settings : kLadders) {
        for (const int workers : {1, 2, 5, 32}) {
            const std::vector<Decision> expected = naive(settings, workers);
            std::uint32_t seed = 0;
            for (const std::size_t threads : {1U, 2U, 7U, 64U}) {
                for (const Order order : {Order::finish, Order::start, Order::rung}) {
                    Execution execution(settings, Schedule::reproducible, workers, order, ++seed);
                    CHECK(execution.run(threads) == expected);
                    CHECK(execution.ladder_.finished());
                }
            }
        }
    }
}

TEST_CASE("candidates provided late change no decision") {
    for (const LadderSettings& settings : kLadders) {
        const std::vector<Decision> expected = naive(settings, 6);
        for (const std::int64_t chunk : {1, 3, 17}) {
            Execution execution(settings, Schedule::reproducible, 6, Order::finish, 5, chunk);
            CHECK(execution.run(3) == expected);
        }
        Execution greedy(settings, Schedule::greedy, 6, Order::finish, 5, 2);
        CHECK(greedy.run(3).size() >= 1);
    }
}

TEST_CASE("decisions are made in order of virtual time, with ties broken by worker") {
    Execution execution({.candidates = 200}, Schedule::reproducible, 9, Order::finish, 1);
    const std::vector<Decision> decisions = execution.run(4);
    CHECK(decisions.size() > 300);
    for (std::size_t i = 1; i < decisions.size(); ++i) {
        const auto& [c0, r0, w0, s0, f0] = decisions[i - 1];
        const auto& [c1, r1, w1, s1, f1] = decisions[i];
        CHECK(std::pair(f0, w0) < std::pair(f1, w1));
        CHECK(s1 < f1);
    }
}

TEST_CASE("outstanding tasks are returned in the requested order") {
    for (const Order order : {Order::finish, Order::start, Order::rung}) {
        Ladder ladder({.candidates = 30});
        ash::VirtualClock clock(ladder, 30, 8, cost_of, order);
        std::vector<Task> given;
        while (clock.has_task()) given.push_back(clock.next().value());
        REQUIRE(given.size() == 8);
        CHECK_FALSE(clock.next());
        if (order == Order::start) continue;  // all tasks start at 0
        CHECK(std::is_sorted(given.begin(), given.end(),
                             [](const Task& a, const Task& b) { return a.finish < b.finish; }));
    }
    Ladder ladder({.candidates = 8});
    ash::VirtualClock clock(ladder, 8, 2, [](const Job&) { return 1.0; }, Order::rung);
    const std::vector<Task> both = {clock.next().value(), clock.next().value()};
    for (const Task& task : both) clock.finish({task, 1.0 * task.job.candidate, 0.0});
    CHECK(clock.next()->job.rung == 1);
    CHECK(clock.next()->job.rung == 0);
}

TEST_CASE("an early result is held back until all results before it have arrived") {
    Ladder ladder({.candidates = 4});
    ash::VirtualClock clock(
        ladder, 4, 2, [](const Job& job) { return job.candidate == 0 ? 10.0 : 1.0; }, Order::finish);
    const Task quick = clock.next().value();
    const Task slow = clock.next().value();
    CHECK(quick.job.candidate == 1);
    CHECK(slow.job.candidate == 0);
    clock.finish({slow, 5.0, 0.0});  // ends first in real time, but second in virtual time
    CHECK(clock.decided().empty());
    CHECK_FALSE(clock.has_task());
    clock.finish({quick, 1.0, 0.0});
    REQUIRE(clock.decided().size() == 1);
    CHECK(clock.decided()[0].task.job.candidate == 1);
    CHECK(clock.has_task());
}

TEST_CASE("release() ends all jobs, and a virtual clock drops results that were held back") {
    for (const Schedule schedule : {Schedule::greedy, Schedule::reproducible}) {
        const bool greedy = schedule == Schedule::greedy;
        Ladder ladder({.candidates = 100});
        const auto clock = make_clock(schedule, ladder, 100, 16, cost_of);
        std::vector<Task> given;
        for (int i = 0; i < 10; ++i) given.push_back(clock->next().value());
        std::size_t decided = 0;
        for (std::size_t i = 1; i < 9; ++i) {  // result 0 arrives late, and result 9 never
            clock->finish({given[i], 1.0, 0.0});
            decided += clock->decided().size();
        }
        clock->release();
        CHECK(clock->decided().empty());
        CHECK(decided == (greedy ? 8 : 0));
        CHECK_FALSE(clock->has_task());
        CHECK_FALSE(clock->next());
        clock->finish({given[0], 1.0, 0.0});
        CHECK(clock->decided().size() == (greedy ? 1 : 0));
        CHECK_FALSE(clock->finished());
        CHECK(ladder.rungs()[0].finished() == (greedy ? 9 : 0));
    }
}

TEST_CASE("a report limit keeps the first decisions, in any order of execution") {
    for (LadderSettings settings : kLadders) {
        const std::vector<Decision> all = naive(settings, 5);
        const std::int64_t last = std::ssize(all);
        for (const std::int64_t limit : {std::int64_t{1}, last / 2, last - 1, last}) {
            if (limit < 1) continue;
            settings.report_limit = limit;
            for (const std::size_t threads : {1U, 7U}) {
                Execution execution(settings, Schedule::reproducible, 5, Order::finish, 3);
                CHECK(execution.run(threads) == std::vector(all.begin(), all.begin() + limit));
                CHECK(execution.ladder_.finished());
            }
        }
    }
}

TEST_CASE("a result of a task that no worker has is refused and changes nothing") {
    for (const bool released : {false, true}) {
        Ladder ladder({.candidates = 4});
        ash::VirtualClock clock(ladder, 4, 2, cost_of, Order::finish);
        const Task task = *clock.next();
        if (released) clock.release();
        const auto refuses = [&](const Task& other) {
            CHECK_THROWS_AS(clock.finish({.task = other, .score = 0.5, .loss = 0.5}), std::invalid_argument);
        };
        for (const std::int32_t worker : {-1, 1 - task.worker, 2, std::numeric_limits<std::int32_t>::max()}) {
            Task other = task;
            other.worker = worker;
            refuses(other);
        }
        for (const std::int32_t candidate : {-1, task.job.candidate + 1, std::numeric_limits<std::int32_t>::max()}) {
            Task other = task;
            other.job.candidate = candidate;
            refuses(other);
        }
        Task later = task;
        later.finish += 1.0;
        refuses(later);
        clock.finish({.task = task, .score = 0.5, .loss = 0.5});
        refuses(task);
    }
}

TEST_CASE("a clock with invalid settings is refused") {
    Ladder ladder({.candidates = 2});
    CHECK_THROWS_AS(ash::VirtualClock(ladder, 2, 0, cost_of, Order::finish), std::invalid_argument);
    for (const Schedule schedule : {Schedule::greedy, Schedule::reproducible}) {
        for (const int known : {-1, 3})
            CHECK_THROWS_AS(ash::make_clock(schedule, ladder, known, 1, cost_of), std::invalid_argument);
    }
}

TEST_CASE("a result of a task that is not running is refused and changes nothing") {
    for (const Schedule schedule : {Schedule::greedy, Schedule::reproducible}) {
        for (const bool released : {false, true}) {
            Ladder ladder({.candidates = 8});
            const auto clock = ash::make_clock(schedule, ladder, 8, 4, cost_of);
            const Task first = clock->next().value();
            const Task second = clock->next().value();
            clock->finish({first, 1.0, 0.0});
            if (released) clock->release();
            std::vector<Task> wrong(7, second);
            wrong[0] = first;
            wrong[1].job.candidate = 2;  // the virtual clock has assigned this task, but not handed it out
            wrong[1].worker = 2;
            wrong[2].job.candidate = 1 << 20;
            wrong[3].job.candidate = -1;
            wrong[4].job.rung = 1;
            wrong[5].job.rung = -1;
            wrong[6].job.candidate = 5;
            for (const int worker : {-1, 4, 1 << 20}) {
                wrong.push_back(second);
                wrong.back().worker = worker;
                if (schedule == Schedule::greedy) wrong.back().job.candidate = worker;
            }
            for (const Task& task : wrong) CHECK_THROWS_AS(clock->finish({task, 1.0, 0.0}), std::invalid_argument);
            clock->finish({second, 1.0, 0.0});
            CHECK_THROWS_AS(clock->finish({second, 1.0, 0.0}), std::invalid_argument);
            // A released virtual clock drops the second result. Otherwise the clock reports it to the ladder.
            const bool is_dropped = released && schedule == Schedule::reproducible;
            CHECK(ladder.rungs()[0].finished() == (is_dropped ? 1 : 2));
        }
    }
}

TEST_CASE("the number of known candidates neither falls nor exceeds the ladder's") {
    for (const Schedule schedule : {Schedule::greedy, Schedule::reproducible}) {
        Ladder ladder({.candidates = 8});
        const auto clock = ash::make_clock(schedule, ladder, 4, 2, cost_of);
        for (const int known : {-1, 3, 9}) CHECK_THROWS_AS(clock->provide(known), std::invalid_argument);
        clock->provide(4);
        clock->provide(8);
    }
}
