// Tests the simulator by cases computed by hand and by invariants. test_simulate.py compares it with the plain Python
// twin.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ash/simulate/running_jobs.hpp"
#include "ash/simulate/simulator.hpp"

namespace {

using ash::Job;
using ash::RunningJobs;
using ash::SimulatedJob;
using ash::Simulation;
using ash::SimulationSettings;
using ash::Workload;

SimulationSettings settings(std::int64_t candidates, int threads, bool teams) {
    SimulationSettings made;
    made.ladder.candidates = candidates;
    made.threads = threads;
    made.teams = teams;
    return made;
}

// Returns jobs that take about one second per epoch, with scores that depend on the seed.
Workload workload(double noise = 0.0) {
    return {.seconds =
                [noise](const Job& job) { return static_cast<double>(job.epochs) * ash::timing_noise(7, job, noise); },
            .cost = [](const Job& job) { return static_cast<double>(job.epochs); },
            .outcome = [](const Job& job) { return ash::SimulatedOutcome{ash::random_score(7, job, 2), 0.0}; }};
}

std::vector<std::pair<std::int32_t, std::int32_t>> decisions(const SimulationSettings& chosen, double noise) {
    std::vector<std::pair<std::int32_t, std::int32_t>> jobs;
    ash::simulate(chosen, workload(noise),
                  [&](const SimulatedJob& job) { jobs.emplace_back(job.job.candidate, job.job.rung); });
    return jobs;
}

}  // namespace

TEST_CASE("128 equal candidates take 896 epochs of work, and the longest chain has 127") {
    for (const bool teams : {false, true}) {
        for (const int threads : {1, 4, 128}) {
            const Simulation run = ash::simulate(settings(128, threads, teams), workload());
            CHECK(run.work == 896.0);
            CHECK(run.chain == 127.0);
            CHECK(run.jobs == 254);
            CHECK(run.epochs == 896);
            REQUIRE(run.rungs.size() == 7);
            CHECK(run.rungs[6].jobs == 2);
            CHECK(run.rungs[6].seconds == 128.0);
            if (threads == 1) CHECK(run.makespan == 896.0);
            if (teams) CHECK(run.makespan == doctest::Approx(896.0 / threads));
            CHECK(run.busy == doctest::Approx(teams ? run.makespan * threads : 896.0));
        }
    }
}

TEST_CASE("epochs are counted beyond 2^63") {
    SimulationSettings chosen = settings(4, 2, false);
    chosen.ladder.min_epochs = std::int64_t{1} << 61;
    CHECK(ash::simulate(chosen, workload()).epochs == 0x1.0p64);
}

TEST_CASE("no schedule is faster than its bounds") {
    for (const auto schedule : {ash::Schedule::greedy, ash::Schedule::reproducible}) {
        for (const int threads : {1, 2, 3, 8, 33}) {
            SimulationSettings chosen = settings(100, threads, false);
            chosen.schedule = schedule;
            const Simulation alone = ash::simulate(chosen, workload(0.3));
            CHECK(alone.makespan >= alone.work / threads * (1 - 1e-12));
            CHECK(alone.makespan >= alone.chain * (1 - 1e-12));
            CHECK(alone.busy == doctest::Approx(alone.work));
            chosen.teams = true;
            chosen.team_efficiency = 0.6;
            const Simulation helped = ash::simulate(chosen, workload(0.3));
            CHECK(helped.makespan >= helped.work / threads * (1 - 1e-12));
            CHECK(helped.busy == doctest::Approx(threads * helped.makespan));
        }
    }
}

TEST_CASE("reproducible decisions do not depend on threads, teams or seconds") {
    const auto expected = decisions(settings(100, 1, false), 0.0);
    CHECK(expected.size() == 100 + 50 + 25 + 12 + 6 + 3);
    for (const int threads : {2, 5, 64}) {
        for (const bool teams : {false, true}) CHECK(decisions(settings(100, threads, teams), 1.0) == expected);
    }
}

TEST_CASE("a stop score ends a simulated run while other jobs run") {
    SimulationSettings chosen = settings(64, 8, false);
    chosen.ladder.stop_score = 0.5;
    Workload flat = workload();
    flat.outcome = [](const Job& job) { return ash::SimulatedOutcome{job.rung == 1 ? 0.5 : 0.0, 0.0}; };
    const Simulation run = ash::simulate(chosen, flat);
    CHECK(run.rungs[1].jobs == 1);
    CHECK(run.busy <= 8 * run.makespan);
    CHECK(run.busy > run.work);
}

TEST_CASE("a team shortens a job") {
    RunningJobs running(4, 0.5);
    running.start(0, 0.0, 10.0, 3);
    running.start(1, 0.0, 3.0, 1);
    CHECK(running.neediest(0.0) == 0);
    running.join(2, 0, 1.0);  // job 0 has 9 seconds of work left, done at a speed of 1.5
    CHECK(running.job(0).end == 7.0);
    running.join(3, 0, 3.0);  // job 0 has 6 seconds of work left, done at a speed of 2
    CHECK(running.job(0).end == 6.0);
    CHECK_FALSE(running.neediest(3.0));  // job 0 takes at most three members, job 1 only one
    CHECK(running.end_first() == 1);
    running.leave(2, 4.0);  // job 0 has 4 seconds of work left, done at a speed of 1.5
    CHECK(running.job(0).end == doctest::Approx(4.0 + 4.0 / 1.5));
    CHECK(running.neediest(4.0) == 0);
    CHECK(running.job(0).helpers == std::vector<int>{3});
    CHECK(running.job(0).team == 3);
    CHECK(running.busy(4.0) == 3.0 + 1.0 + 2 * 2.0 + 3 * 1.0);
    CHECK(running.end_first() == 0);
    CHECK(running.empty());
}

TEST_CASE("if times are equal, the job of the lowest thread ends first and that of the highest gets help") {
    RunningJobs running(9, 1.0);
    for (const int owner : {2, 0, 1}) running.start(owner, 0.0, 1.0, 9);
    CHECK(running.neediest(0.0) == 2);
    CHECK(running.end_first() == 0);
    CHECK(running.end_first() == 1);
}

TEST_CASE("the lowest thread of a set is found") {
    ash::ThreadSet threads(200);
    CHECK(threads.empty());
    for (const int thread : {150, 63, 64, 199}) threads.insert(thread);
    CHECK(threads.take_lowest() == 63);
    CHECK(threads.take_lowest() == 64);
    threads.erase(150);
    threads.insert(3);
    CHECK(threads.take_lowest() == 3);
    CHECK(threads.take_lowest() == 199);
    CHECK(threads.empty());
}

TEST_CASE("noise has mean one and the requested deviation") {
    double sum = 0.0;
    double squares = 0.0;
    constexpr int kDraws = 20000;
    for (std::int32_t candidate = 0; candidate < kDraws; ++candidate) {
        const double factor = ash::timing_noise(1, {candidate, 3, 8}, 0.1);
        sum += factor;
        squares += (factor - 1.0) * (factor - 1.0);
    }
    CHECK(sum / kDraws == doctest::Approx(1.0).epsilon(0.005));
    CHECK(std::sqrt(squares / kDraws) == doctest::Approx(0.1).epsilon(0.03));
    CHECK(ash::timing_noise(1, {0, 0, 1}, 0.0) == 1.0);
}

TEST_CASE("simulated scores are closer to a candidate's quality in higher rungs") {
    for (std::int32_t candidate = 0; candidate < 1000; ++candidate) {
        const double settled = ash::random_score(1, {candidate, 40, 1}, 4);
        for (const std::int32_t rung : {0, 1, 5}) {
            const double score = ash::random_score(1, {candidate, rung, 1}, 4);
            CHECK(std::abs(score - settled) <= 0.5001 * std::pow(0.5, rung));
        }
    }
    CHECK(ash::random_score(1, {0, 0, 1}, 2) != ash::random_score(2, {0, 0, 1}, 2));
}

TEST_CASE("a table contains values of whole jobs, or values per epoch") {
    const std::vector<double> one{3.0};
    const std::vector<double> six{1.0, 2.0, 3.0, 4.0, 5.0, 6.0};
    CHECK(ash::JobTable{.values = one}.whole({5, 2, 4}) == 12.0);
    CHECK(ash::JobTable{.values = six}.whole({5, 2, 4}) == 24.0);
    CHECK(ash::JobTable{.values = six}.of({5, 2, 4}) == 6.0);
    CHECK(ash::JobTable{.values = six, .rungs = 2}.whole({2, 1, 4}) == 6.0);
}

TEST_CASE("invalid settings of the simulator are refused") {
    CHECK_THROWS_AS(ash::simulate(settings(4, 0, true), workload()), std::invalid_argument);
    CHECK_THROWS_AS(ash::simulate(settings(0, 1, true), workload()), std::invalid_argument);
    for (const double efficiency : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
        SimulationSettings chosen = settings(4, 1, true);
        chosen.team_efficiency = efficiency;
        CHECK_THROWS_AS(ash::simulate(chosen, workload()), std::invalid_argument);
    }
}
