// Tests ladder and greedy clock against the rules in ladder.hpp; tests/oracles/reference.py has the same rules in plain
// Python.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

#include "ash/search/clock.hpp"
#include "ash/search/ladder.hpp"
#include "ash/search/rung.hpp"

namespace {

using ash::Algorithm;
using ash::Job;
using ash::Ladder;
using ash::LadderSettings;
using ash::Promotion;
using ash::Rung;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

LadderSettings settings(std::int64_t candidates, std::int64_t eta = 2, Algorithm algorithm = Algorithm::ash,
                        Promotion promotion = Promotion::capped) {
    LadderSettings made;
    made.candidates = candidates;
    made.eta = eta;
    made.algorithm = algorithm;
    made.promotion = promotion;
    return made;
}

std::vector<std::int64_t> places(const Ladder& ladder) {
    std::vector<std::int64_t> all;
    for (const Rung& rung : ladder.rungs()) all.push_back(rung.places());
    return all;
}

double random_score(std::mt19937& random) {
    const auto level = static_cast<int>(random() % 12);
    return level == 0 ? kNan : level / 4;  // four levels, so that most scores are ties
}

struct Counts {
    std::int64_t jobs = 0;
    std::int64_t epochs = 0;
};

// Runs a ladder to its end with `workers` jobs at a time, which end in random order. Checks the invariants.
Counts run_all(Ladder& ladder, std::size_t workers, std::mt19937& random) {
    Counts counts;
    std::vector<Job> running;
    while (!ladder.finished()) {
        std::optional<Job> job;
        while (running.size() < workers && (job = ladder.next())) {
            running.push_back(*job);
            ++counts.jobs;
            counts.epochs += job->epochs;
        }
        REQUIRE_FALSE(running.empty());
        std::swap(running[random() % running.size()], running.back());
        ladder.report(running.back(), random_score(random), random_score(random));
        running.pop_back();
        for (std::size_t k = 0; k < ladder.rungs().size(); ++k) {
            const Rung& rung = ladder.rungs()[k];
            REQUIRE(rung.waiting() + rung.promoted() + rung.diverged() + rung.retired() == rung.finished());
            if (k == 0) continue;
            REQUIRE(ladder.rungs()[k - 1].promoted() == rung.running() + rung.finished());
        }
    }
    CHECK_FALSE(ladder.next());
    return counts;
}

}  // namespace

TEST_CASE("the places of rungs are computed with integers") {
    CHECK(places(Ladder(settings(128))) == std::vector<std::int64_t>{128, 64, 32, 16, 8, 4, 2});
    CHECK(places(Ladder(settings(243, 3))) == std::vector<std::int64_t>{243, 81, 27, 9, 3});
    CHECK(places(Ladder(settings(729, 3))) == std::vector<std::int64_t>{729, 243, 81, 27, 9, 3});
    CHECK(places(Ladder(settings(1000, 10))) == std::vector<std::int64_t>{1000, 100, 10});
    CHECK(places(Ladder(settings(1))) == std::vector<std::int64_t>{1});
    CHECK(places(Ladder(settings(3, 5))) == std::vector<std::int64_t>{3});
    for (std::int64_t eta = 2; eta < 12; ++eta) {
        std::int64_t power = eta;
        for (std::size_t rungs = 1; power < std::numeric_limits<std::int32_t>::max(); power *= eta, ++rungs) {
            CHECK(Ladder(settings(power, eta)).rungs().size() == rungs);
            CHECK(Ladder(settings(power - 1, eta)).rungs().size() == std::max<std::size_t>(rungs - 1, 1));
        }
    }
}

TEST_CASE("a ladder with invalid settings is refused") {
    const auto refuses = [](auto change) {
        LadderSettings made = settings(128);
        change(made);
        CHECK_THROWS_AS(Ladder{made}, std::invalid_argument);
    };
    refuses([](LadderSettings& made) { made.candidates = 0; });
    refuses([](LadderSettings& made) { made.candidates = std::int64_t{1} << 31; });
    refuses([](LadderSettings& made) { made.eta = 1; });
    refuses([](LadderSettings& made) { made.min_epochs = 0; });
    refuses([](LadderSettings& made) { made.max_rungs = -1; });
    refuses([](LadderSettings& made) { made.min_epochs = std::int64_t{1} << 57; });  // rung 6 would have 2^63 epochs
    refuses([](LadderSettings& made) { made.rungs = {{127, 1}}; });
    refuses([](LadderSettings& made) { made.rungs = {{128, -1}}; });
    refuses([](LadderSettings& made) { made.rungs = {{128, 1}, {0, 1}}; });
    refuses([](LadderSettings& made) { made.rungs = {{128, 1}, {4, 1}, {5, 1}}; });
    refuses([](LadderSettings& made) { made.rungs.assign(64, {128, 1}); });
}

TEST_CASE("a ladder defined rung by rung fills its places") {
    std::mt19937 random(3);
    for (const Promotion promotion : {Promotion::capped, Promotion::paper, Promotion::improving}) {
        for (const Algorithm algorithm : {Algorithm::ash, Algorithm::sh, Algorithm::random}) {
            LadderSettings made = settings(60, 2, algorithm, promotion);
            made.rungs = {{60, 20}, {20, 0}, {7, 40}, {3, 120}, {1, 5}};
            for (std::size_t workers = 1; workers < 70; workers += 17) {
                Ladder ladder(made);
                run_all(ladder, workers, random);
                CHECK(ladder.rungs()[1].epochs() == 0);
                if (promotion != Promotion::capped || algorithm == Algorithm::random) continue;
                for (std::size_t k = 0; k < made.rungs.size(); ++k) {
                    CHECK(ladder.rungs()[k].finished() <= made.rungs[k].places);
                }
            }
        }
    }
    LadderSettings made = settings(10);
    made.rungs = {{10, 1}, {4, 2}, {2, 6}};
    Ladder ladder(made);
    std::vector<std::int32_t> rungs;
    while (const std::optional<Job> job = ladder.next()) {
        rungs.push_back(job->rung);
        ladder.report(*job, job->candidate, 0.0);
    }
    // A share of 4 / 10 promotes one candidate of 3, two of 5, three of 8 and four of 10.
    CHECK(rungs == std::vector<std::int32_t>{0, 0, 0, 1, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 1, 2});
}

TEST_CASE("a job may have up to 2^63 - 1 epochs") {
    LadderSettings made = settings(4);
    made.min_epochs = std::numeric_limits<std::int64_t>::max() / 2;
    CHECK(Ladder(made).rungs()[1].epochs() == std::numeric_limits<std::int64_t>::max() - 1);
    made.max_rungs = 1;
    made.min_epochs = std::numeric_limits<std::int64_t>::max();
    CHECK(Ladder(made).rungs()[0].epochs() == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("the promotion rules decide differently for the scores 2, 1, 3") {
    for (const Promotion promotion : {Promotion::capped, Promotion::paper}) {
        Ladder ladder(settings(8, 2, Algorithm::ash, promotion));
        const Job first = *ladder.next();
        const Job second = *ladder.next();
        const Job third = *ladder.next();
        ladder.report(first, 2.0, 0.0);
        ladder.report(second, 1.0, 0.0);
        const Job climber = *ladder.next();
        CHECK(climber.candidate == 0);
        CHECK(climber.rung == 1);
        CHECK(climber.epochs == 2);
        ladder.report(third, 3.0, 0.0);
        CHECK(ladder.next()->candidate == (promotion == Promotion::paper ? 2 : 3));
    }
}

TEST_CASE("improving: only candidates that did better than in the rung below are promoted") {
    struct {
        double score, loss;
        bool goes_up;
    } const above[] = {{1.0, 0.4, true}, {1.5, 9.0, true}, {1.0, 0.5, false}, {1.0, 0.6, false}, {0.5, 0.1, false}};
    for (const auto& [score, loss, goes_up] : above) {
        Ladder ladder(settings(16, 2, Algorithm::ash, Promotion::improving));
        std::vector<Job> jobs;
        for (int i = 0; i < 4; ++i) jobs.push_back(*ladder.next());
        for (const Job& job : jobs) ladder.report(job, 1.0, 0.5);
        const Job first = *ladder.next();
        const Job second = *ladder.next();
        CHECK(first.candidate == 0);
        ladder.report(first, score, loss);
        CHECK((ladder.take_retired() == std::vector<std::int32_t>{0}) != goes_up);
        ladder.report(second, 1.1, 0.5);
        const Job third = *ladder.next();
        CHECK(third.rung == 2);
        CHECK(third.candidate == (goes_up && score < 1.1 ? 1 : goes_up ? 0 : 1));
        CHECK(ladder.rungs()[1].diverged() == 0);
        CHECK(ladder.rungs()[1].retired() == (goes_up ? 0 : 1));
    }
}

TEST_CASE("capped and sh never exceed the places of a rung, and 128 candidates take 896 epochs") {
    std::mt19937 random(2);
    for (const Algorithm algorithm : {Algorithm::ash, Algorithm::sh}) {
        for (const std::size_t workers : {1, 2, 7, 500}) {
            Ladder ladder(settings(1000, 3, algorithm));
            run_all(ladder, workers, random);
            for (const Rung& rung : ladder.rungs()) CHECK(rung.finished() <= rung.places());
        }
        Ladder ladder(settings(128, 2, algorithm));
        Counts counts;
        while (const std::optional<Job> job = ladder.next()) {
            ladder.report(*job, 1.0, 0.0);
            ++counts.jobs;
            counts.epochs += job->epochs;
        }
        CHECK(counts.jobs == 254);
        CHECK(counts.epochs == 896);
    }
}

TEST_CASE("ladders with the rules paper and random satisfy their invariants to the end") {
    std::mt19937 random(3);
    for (const std::size_t workers : {1, 2, 7, 500}) {
        Ladder paper(settings(500, 2, Algorithm::ash, Promotion::paper));
        run_all(paper, workers, random);
        Ladder everyone(settings(100, 2, Algorithm::random));
        run_all(everyone, workers, random);
        for (std::size_t k = 1; k < everyone.rungs().size(); ++k) {
            const Rung& below = everyone.rungs()[k - 1];
            CHECK(everyone.rungs()[k].finished() == below.finished() - below.diverged());
        }
    }
}

TEST_CASE("the barrier holds until the last job of a rung has finished") {
    Ladder ladder(settings(8, 2, Algorithm::sh));
    std::vector<Job> jobs;
    while (const std::optional<Job> job = ladder.next()) jobs.push_back(*job);
    REQUIRE(jobs.size() == 8);
    for (const Job& job : jobs) {
        CHECK_FALSE(ladder.next());
        ladder.report(job, job.candidate == 7 ? kNan : job.candidate, 0.0);
    }
    for (const std::int32_t expected : {6, 5, 4, 3}) CHECK(ladder.next()->candidate == expected);
    CHECK_FALSE(ladder.next());
}

TEST_CASE("the barrier also opens if fewer candidates survive than there are places") {
    Ladder ladder(settings(16, 2, Algorithm::sh));
    while (const std::optional<Job> job = ladder.next()) {
        ladder.report(*job, job->candidate % 5 == 3 ? 1.0 : kNan, 0.0);
    }
    std::vector<std::int64_t> finished;
    for (const Rung& rung : ladder.rungs()) finished.push_back(rung.finished());
    CHECK(finished == std::vector<std::int64_t>{16, 3, 3, 2});
    CHECK(ladder.finished());
}

TEST_CASE("a report of a job that is not running is refused and changes nothing") {
    Ladder ladder(settings(8));
    const Job job = *ladder.next();
    for (const Job& foreign : {Job{1, 0, 1}, Job{-1, 0, 1}, Job{0, 1, 2}, Job{0, -1, 1}, Job{100, 0, 1}}) {
        CHECK_THROWS_AS(ladder.report(foreign, 1.0, 0.0), std::invalid_argument);
    }
    ladder.report(job, 1.0, 0.0);
    CHECK_THROWS_AS(ladder.report(job, 1.0, 0.0), std::invalid_argument);
    CHECK(ladder.rungs()[0].finished() == 1);
}

TEST_CASE("the greedy clock decides like the ladder") {
    Ladder ladder(settings(4));
    Ladder twin(settings(4));
    ash::GreedyClock clock(ladder, 4);
    while (!clock.finished()) {
        const std::optional<ash::Task> task = clock.next();
        const std::optional<Job> expected = twin.next();
        REQUIRE(task);
        CHECK(task->job.candidate == expected->candidate);
        CHECK(task->job.rung == expected->rung);
        const double score = 1.0 / (1 + expected->candidate);
        clock.finish({.task = *task, .score = score, .loss = 0.0});
        twin.report(*expected, score, 0.0);
    }
    CHECK(twin.finished());
    CHECK_FALSE(clock.next());
}
