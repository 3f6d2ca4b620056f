// Tests simulated clusters by cases computed by hand, and with invalid settings. test_simulate.py compares them with
// the plain Python twin.
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "ash/simulate/cluster.hpp"

namespace {

using ash::Cluster;
using ash::ClusterSimulation;
using ash::Job;
using ash::SimulatedJob;
using ash::SimulationSettings;
using ash::Workload;

SimulationSettings settings(std::int64_t candidates, int threads) {
    SimulationSettings made;
    made.ladder.candidates = candidates;
    made.schedule = ash::Schedule::greedy;
    made.threads = threads;
    made.teams = false;
    return made;
}

// Returns jobs that take one second per epoch and have states of ten bytes. Later candidates are better.
Workload workload() {
    return {.seconds = [](const Job& job) { return static_cast<double>(job.epochs); },
            .cost = [](const Job& job) { return static_cast<double>(job.epochs); },
            .outcome = [](const Job& job) { return ash::SimulatedOutcome{static_cast<double>(job.candidate), 0.0}; },
            .state_bytes = [](const Job&) { return 10.0; }};
}

}  // namespace

TEST_CASE("a cluster whose messages and decisions take no time decides like threads") {
    for (const int threads : {1, 3, 16}) {
        const ash::Simulation here = ash::simulate(settings(50, threads), workload());
        const ClusterSimulation there =
            ash::simulate_cluster(settings(50, threads), {.states_stay = false}, workload());
        CHECK(there.run.makespan == here.makespan);
        CHECK(there.run.busy == here.busy);
        CHECK(there.run.work == here.work);
        CHECK(there.run.chain == here.chain);
        CHECK(there.processes == threads);
        CHECK(there.coordinator == 0.0);
        CHECK(there.line == 0.0);
    }
}

TEST_CASE("a result arrives after a decision, two latencies and the job itself") {
    const Cluster cluster{.latency = 1.0, .decision_seconds = 0.5};
    std::vector<SimulatedJob> told;
    const ClusterSimulation found = ash::simulate_cluster(settings(2, 1), cluster, workload(),
                                                          [&](const SimulatedJob& job) { told.push_back(job); });
    REQUIRE(told.size() == 2);
    CHECK(told[0].start == 1.5);
    CHECK(told[0].end == 2.5);
    CHECK(told[1].start == 5.0);
    CHECK(found.run.makespan == 7.0);
    CHECK(found.coordinator == 1.0);
}

TEST_CASE("states are sent through the coordinator, or stay with their process") {
    Cluster cluster{.states_stay = false, .bandwidth = 5.0};
    const ClusterSimulation travels = ash::simulate_cluster(settings(4, 1), cluster, workload());
    CHECK(travels.run.makespan == 4 * 3.0 + 2 * 6.0);
    CHECK(travels.bytes == 80.0);
    CHECK(travels.line == 12.0);
    CHECK(travels.moves == 0);
    cluster.states_stay = true;
    const ClusterSimulation stays = ash::simulate_cluster(settings(4, 1), cluster, workload());
    CHECK(stays.run.makespan == 8.0);
    CHECK(stays.bytes == 0.0);
}

TEST_CASE("processes that have the data pass them on") {
    const Cluster cluster{.bandwidth = 5.0, .process_bandwidth = 10.0, .data_bytes = 10.0};
    SimulationSettings chosen = settings(3, 3);
    chosen.ladder.max_rungs = 1;
    const ClusterSimulation found = ash::simulate_cluster(chosen, cluster, workload());
    CHECK(found.run.makespan == 5.0);  // the data arrive at the processes after 2, 4 and 3 seconds
    CHECK(found.bytes == 30.0);
    CHECK(found.line == 4.0);
}

TEST_CASE("the last process has the remaining threads") {
    const ClusterSimulation found = ash::simulate_cluster(settings(64, 7), {.threads_per_process = 3}, workload());
    CHECK(found.processes == 3);
    CHECK(found.run.busy == found.run.work);
}

TEST_CASE("a stop score ends a cluster's run while other jobs run and data are being sent") {
    SimulationSettings chosen = settings(64, 8);
    chosen.ladder.stop_score = 3.0;
    const Cluster cluster{.latency = 0.25, .process_bandwidth = 100.0, .data_bytes = 1000.0};
    Workload slow = workload();
    slow.seconds = [](const Job& job) { return job.candidate == 0 ? 5.0 : 1.0; };
    const ClusterSimulation found = ash::simulate_cluster(chosen, cluster, slow);
    CHECK(found.run.makespan == 11.5);
    CHECK(found.run.busy > found.run.work);
    CHECK(found.run.busy <= 8 * found.run.makespan);
    CHECK(found.line <= found.run.makespan);
}

TEST_CASE("invalid settings of a cluster are refused") {
    CHECK_THROWS_AS(ash::simulate_cluster(settings(4, 0), {}, workload()), std::invalid_argument);
    SimulationSettings teams = settings(4, 2);
    teams.teams = true;
    CHECK_THROWS_AS(ash::simulate_cluster(teams, {}, workload()), std::invalid_argument);
    constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
    for (const Cluster& cluster :
         {Cluster{.threads_per_process = 0}, Cluster{.in_flight = 0}, Cluster{.latency = -1.0},
          Cluster{.bandwidth = 0.0}, Cluster{.process_bandwidth = kNothing}, Cluster{.data_bytes = kNothing},
          Cluster{.decision_seconds = std::numeric_limits<double>::infinity()}}) {
        CHECK_THROWS_AS(ash::simulate_cluster(settings(4, 1), cluster, workload()), std::invalid_argument);
    }
    const Cluster many{.in_flight = std::numeric_limits<int>::max()};
    CHECK_THROWS_AS(ash::simulate_cluster(settings(4, 2), many, workload()), std::invalid_argument);
}
