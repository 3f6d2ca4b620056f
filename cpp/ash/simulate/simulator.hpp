// simulator.hpp: simulates a run on p threads from given job times, without training. The ladder and the clock are
// those of the tuner.
//
//     thread 0  [ 0: rung 0 ][ 2: rung 0 ][ 0: rung 1        ][ 3: rung 2              ]
//     thread 1  [ 1: rung 0    ][ 3: rung 0 ][ 3: rung 1         ]+ + + + + + + + + + +   + helps: a team
//               0 ------------------------- seconds ----------------------------------->
//
//     A job starts with a number of seconds left. One thread reduces this number by 1 per second, a team of s threads
//     by 1 + (s - 1) * team_efficiency. The end of a job changes only when a thread joins or leaves it, so each event
//     updates only the jobs that it affects.
//
// Order:       jobs end in order of simulated seconds, then thread. After each end, threads without a job ask the clock,
//              lowest number first. If a task is left, the helping thread with the lowest number takes it. With teams,
//              a thread that got no task joins a job that accepts one more member: the one with the most seconds
//              left per member (ties: the job of the highest thread number).
// Invariants:  (1) no decision is made here: tasks come from the clock, and results go to it;
//              (2) a thread has its own job, helps with another job, or is idle. It is idle only while the clock has no
//                  task and no running job accepts one more member;
//              (3) hence if teams have efficiency 1 and may have any size, the makespan is work / threads. Without
//                  teams it is at least the larger of work / threads and the longest chain (the jobs of one candidate);
//              (4) reproducible: the tasks do not depend on threads, teams or job times, so work and chain do not
//                  depend on threads or teams.
// Threads:     none; several runs may be simulated at once.
// Cost:        O(log p) per decision in addition to the clock's, and O(log p + sqrt p) for each thread that joins or
//              leaves. Memory: 8 bytes per candidate in addition to the ladder's.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ash/search/clock.hpp"
#include "ash/search/ladder.hpp"

namespace ash {

struct SimulationSettings {
    LadderSettings ladder;
    Schedule schedule = Schedule::reproducible;
    int workers = 32;
    Order order = Order::finish;
    int threads = 1;
    bool teams = true;
    double team_efficiency = 1.0;  // efficiency of each thread of a team except the first, 0 to 1
};

struct SimulatedOutcome {
    double score;
    double loss;
};

// The times and scores of a run's jobs. Each function may be called several times per job, with the same result.
struct Workload {
    std::function<double(const Job&)> seconds;  // seconds of a job on one thread, positive and finite
    Cost cost;                                  // cost of a job for the virtual clock, positive and finite
    std::function<SimulatedOutcome(const Job&)> outcome;
    std::function<int(const Job&)> most_members = {};    // largest team of a job, at least 1; empty: no limit
    std::function<double(const Job&)> state_bytes = {};  // size of the state after the job, for a cluster; empty: 0
};

// A job as it was executed. It is reported when its result is decided.
struct SimulatedJob {
    Job job;
    int thread;
    double start;
    double end;
    int team;  // largest number of threads that ran the job at once
};

struct RungWork {
    std::int64_t jobs = 0;
    double seconds = 0.0;
};

// The totals over all decided jobs. `busy` also includes jobs that were undecided when the run ended.
struct Simulation {
    double makespan = 0.0;
    double busy = 0.0;   // total seconds of threads that ran a job or helped with one
    double work = 0.0;   // total seconds that all jobs would take without teams
    double chain = 0.0;  // longest chain: the largest sum of seconds, without teams, over one candidate's jobs
    std::int64_t jobs = 0;
    double epochs = 0.0;  // total epochs of all jobs; as a double, the sum cannot overflow and is exact below 2^53
    std::vector<RungWork> rungs;
};

// Simulates a run. Throws std::invalid_argument in the same cases as Ladder and Clock, for threads < 1, and for an
// efficiency outside 0..1. observer: called with every job in order of decision; may be empty.
Simulation simulate(const SimulationSettings& settings, const Workload& workload,
                    const std::function<void(const SimulatedJob&)>& observer = {});

// A table with a value for each job. If `rungs` is 0, it has one value per candidate, or a single value for all
// candidates, and the values hold in all rungs. Otherwise it has one row per candidate and one column per rung.
// whole() is for durations and costs, which are per epoch if `rungs` is 0, and per job otherwise. The values are not
// owned.
struct JobTable {
    std::span<const double> values;
    std::int64_t rungs = 0;

    double of(const Job& job) const;  // the job's value in the table
    double whole(const Job& job) const { return of(job) * (rungs == 0 ? static_cast<double>(job.epochs) : 1.0); }
};

// Returns exp(sigma * z - sigma^2 / 2) for a standard normal z. This factor has mean 1 and depends only on seed,
// candidate and rung.
double timing_noise(std::uint64_t seed, const Job& job, double sigma);

// Returns the candidate's quality plus noise. The quality is in [0, 1) and is the same in all rungs. The noise is in
// [-1/2, 1/2) * eta^(-rung / 2), so it shrinks with the square root of the epochs. The score depends only on seed,
// candidate and rung, and is computed without libm.
double random_score(std::uint64_t seed, const Job& job, std::int64_t eta);

}  // namespace ash
