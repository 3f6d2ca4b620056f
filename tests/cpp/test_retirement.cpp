// Tests the retirement of candidates, the limits that end a ladder early, and the double-ended heap used by rungs.
// tests/core/test_futures.py shows, for all futures of small ladders, that no candidate retires too late.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <vector>

#include "ash/search/ladder.hpp"
#include "ash/search/minmax_heap.hpp"

namespace {

using ash::Algorithm;
using ash::Ending;
using ash::Job;
using ash::Ladder;
using ash::LadderSettings;
using ash::Promotion;

using Candidates = std::vector<std::int32_t>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Rule {
    Algorithm algorithm;
    Promotion promotion;
};

constexpr Rule kRules[] = {{Algorithm::ash, Promotion::capped},
                           {Algorithm::ash, Promotion::paper},
                           {Algorithm::ash, Promotion::improving},
                           {Algorithm::sh, Promotion::capped},
                           {Algorithm::random, Promotion::capped}};

std::vector<Job> start(Ladder& ladder, int count) {
    std::vector<Job> jobs;
    for (int i = 0; i < count; ++i) jobs.push_back(ladder.next().value());
    return jobs;
}

Candidates retired_by(Ladder& ladder, const Job& job, double score) {
    ladder.report(job, score, 0.0);
    return ladder.take_retired();
}

// Runs a ladder to its end with `workers` jobs at a time and returns all retired candidates.
Candidates run_all(Ladder& ladder, std::size_t workers, std::mt19937& random) {
    Candidates all;
    std::vector<Job> running;
    while (!ladder.finished() || !running.empty()) {
        while (running.size() < workers && ladder.has_job()) {
            running.push_back(ladder.next().value());
            REQUIRE(std::ranges::count(all, running.back().candidate) == 0);
        }
        REQUIRE_FALSE(running.empty());
        std::swap(running[random() % running.size()], running.back());
        const auto level = static_cast<int>(random() % 8);
        const Candidates now = retired_by(ladder, running.back(), level == 0 ? kNan : level);
        running.pop_back();
        REQUIRE(std::ssize(now) <= std::ssize(ladder.rungs()) + 1);
        all.insert(all.end(), now.begin(), now.end());
    }
    CHECK_FALSE(ladder.next());
    return all;
}

bool no_duplicates(const Candidates& all) { return std::set(all.begin(), all.end()).size() == all.size(); }

}  // namespace

TEST_CASE("both ends of the heap agree with a sorted set") {
    std::mt19937 random(1);
    for (int run = 0; run < 40; ++run) {
        ash::MinMaxHeap<int, std::greater<>> heap;
        std::multiset<int> twin;
        for (int step = 0; step < 600; ++step) {
            const bool push = twin.empty() || random() % 100 < (step < 300 ? 70U : 30U);
            if (push) {
                const auto element = static_cast<int>(random() % 50);  // a small range for many ties
                heap.push(element);
                twin.insert(element);
            } else if (random() % 2 == 0) {
                REQUIRE(heap.pop_best() == *twin.rbegin());
                twin.erase(std::prev(twin.end()));
            } else {
                REQUIRE(heap.pop_worst() == *twin.begin());
                twin.erase(twin.begin());
            }
            REQUIRE(heap.size() == twin.size());
            REQUIRE(heap.empty() == twin.empty());
            if (twin.empty()) continue;
            REQUIRE(heap.best() == *twin.rbegin());
            REQUIRE(heap.worst() == *twin.begin());
        }
    }
}

TEST_CASE("a candidate retires at most once and is never promoted later, and a report retires at most one per rung") {
    std::mt19937 random(2);
    for (const Rule& rule : kRules) {
        for (const std::size_t workers : {1, 3, 20, 500}) {
            for (const std::int64_t eta : {2, 3, 5, 7}) {
                LadderSettings settings{
                    .candidates = 200, .eta = eta, .algorithm = rule.algorithm, .promotion = rule.promotion};
                if (eta == 7) settings.rungs = {{200, 1}, {90, 0}, {41, 2}, {3, 9}, {3, 9}, {1, 5}};
                Ladder ladder(settings);
                const Candidates all = run_all(ladder, workers, random);
                CHECK(all.size() == 200);
                CHECK(no_duplicates(all));
                CHECK(ladder.ending() == Ending::finished);
                CHECK(ladder.entered() == 200);
            }
        }
    }
}

TEST_CASE("capped keeps as many candidates as may still be promoted, and a promotion keeps the order of the others") {
    Ladder ladder({.candidates = 8});
    const std::vector<Job> jobs = start(ladder, 8);
    for (const int i : {0, 1, 2, 3}) CHECK(retired_by(ladder, jobs[static_cast<std::size_t>(i)], -i).empty());
    CHECK(retired_by(ladder, jobs[4], -4.0) == Candidates{4});
    CHECK(retired_by(ladder, jobs[5], 5.0) == Candidates{3});
    CHECK(ladder.next()->candidate == 5);
    CHECK(ladder.next()->candidate == 0);
    CHECK(ladder.take_retired().empty());
    CHECK(retired_by(ladder, jobs[6], kNan) == Candidates{6});
    CHECK(retired_by(ladder, jobs[7], -1.5) == Candidates{2});
}

TEST_CASE("the paper's rule also ranks promoted candidates") {
    Ladder ladder({.candidates = 8, .promotion = Promotion::paper});
    const std::vector<Job> jobs = start(ladder, 8);
    CHECK(retired_by(ladder, jobs[0], 0.2).empty());
    CHECK(retired_by(ladder, jobs[1], 0.1).empty());
    CHECK(ladder.next()->candidate == 0);
    CHECK(retired_by(ladder, jobs[2], 0.5).empty());
    CHECK(retired_by(ladder, jobs[3], 0.4).empty());
    // Four candidates rank above candidate 1; one of them was promoted.
    CHECK(retired_by(ladder, jobs[4], 0.3) == Candidates{1});
}

TEST_CASE("if a candidate diverges, a candidate in the rung above retires, since fewer can reach that rung") {
    for (const Promotion promotion : {Promotion::capped, Promotion::paper}) {
        Ladder ladder({.candidates = 8, .promotion = promotion});
        const std::vector<Job> jobs = start(ladder, 8);
        for (const std::size_t i : {0, 1, 2, 3}) ladder.report(jobs[i], i < 2 ? -static_cast<double>(i) : kNan, 0.0);
        const std::vector<Job> climbers = start(ladder, 2);
        for (const Job& job : climbers) ladder.report(job, -job.candidate, 0.0);
        CHECK(ladder.next()->rung == 2);
        CHECK(ladder.take_retired() == Candidates{2, 3});
        CHECK(retired_by(ladder, jobs[4], kNan) == Candidates{4});
        CHECK(retired_by(ladder, jobs[5], kNan) == Candidates{5});
        // At most three candidates can now reach rung 1, so only the best of them is promoted from there.
        CHECK(retired_by(ladder, jobs[6], kNan) == Candidates{6, 1});
    }
}

TEST_CASE("the epoch limit is never exceeded, and no smaller job replaces a job that would exceed it") {
    std::mt19937 random(3);
    for (const Rule& rule : kRules) {
        for (std::int64_t limit = 1; limit < 500; limit += 13) {
            Ladder ladder({.candidates = 64,
                           .algorithm = rule.algorithm,
                           .promotion = rule.promotion,
                           .max_total_epochs = limit});
            CHECK(no_duplicates(run_all(ladder, 1 + random() % 9, random)));
            std::int64_t spent = 0;
            for (const ash::Rung& rung : ladder.rungs()) spent += rung.finished() * rung.epochs();
            CHECK(spent <= limit);
            const bool all_entered = ladder.entered() == 64;
            CHECK((ladder.ending() == Ending::max_total_epochs || all_entered));
        }
    }
    Ladder ladder({.candidates = 8, .max_total_epochs = 5});
    const std::vector<Job> jobs = start(ladder, 4);
    ladder.report(jobs[0], 1.0, 0.0);
    ladder.report(jobs[1], 0.0, 0.0);
    CHECK_FALSE(ladder.has_job());
    CHECK_FALSE(ladder.next());  // one epoch is left, but rung 1 takes two
    CHECK(ladder.ending() == Ending::none);
    ladder.report(jobs[2], kNan, 0.0);
    ladder.report(jobs[3], kNan, 0.0);
    CHECK_FALSE(ladder.next());
    CHECK(ladder.ending() == Ending::max_total_epochs);
    CHECK(ladder.finished());
    CHECK_THROWS_AS(Ladder({.candidates = 8, .max_total_epochs = -1}), std::invalid_argument);
}

TEST_CASE("the stop score ends the ladder while other jobs run, and their results are still counted") {
    Ladder ladder({.candidates = 8, .stop_score = 0.9});
    const std::vector<Job> jobs = start(ladder, 4);
    ladder.report(jobs[0], 2.0, kNan);
    ladder.report(jobs[1], 0.89, 0.0);
    CHECK_FALSE(ladder.finished());
    ladder.report(jobs[2], 0.9, 0.0);
    CHECK(ladder.ending() == Ending::stop_score);
    CHECK_FALSE(ladder.next());
    CHECK_FALSE(ladder.has_job());
    ladder.report(jobs[3], 3.0, 0.0);
    CHECK(ladder.rungs()[0].finished() == 4);
    CHECK(ladder.rungs()[0].promoted() == 0);
    CHECK(ladder.finished());
}
