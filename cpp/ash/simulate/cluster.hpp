// cluster.hpp: simulates a run on many processes connected by network lines, without training. The ladder and the clock
// are those of the tuner.
//
//     coordinator   in flight: at most in_flight jobs per thread                  process
//
//     [decides][decides]...  -- its line --  latency  -- line of the process -->  thread 0 [ job  ][ job   ]
//        ^                                                                        thread 1 [ job     ][ job
//        |                                                                          |
//        +------ known <---- its line ------ latency  -- line of the process -------+
//
//     a state   either stays on the process of its last job, and moves directly to another process if the next job runs
//               there; or it is sent with each result to the coordinator, and with its candidate's next job to a
//               process
//     the data  are sent to each process once, by the coordinator or by a process that already has them: 1, 3, 7, ...
//               processes have them after 1, 2, 3, ... rounds
//
// The coordinator is serial: it takes decision_seconds per job to receive a result and give out the next job. A line
// passes one message after the other, separately in each direction. A message without bytes does not wait. A message
// arrives one latency after both of its lines have passed it. There are no teams in a cluster.
//
// Order:       events are ordered by time, then by kind: results that become known, the coordinator becoming free, jobs
//              that arrive, jobs that end. Ties are broken by thread, or for arriving jobs by the order in which they
//              were given out. If states stay on processes and the process with the job's state has a vacancy, the job
//              goes there. Otherwise it goes to the process with the most vacancies (ties: the lowest number).
// Invariants:  (1) no decision is made here: tasks come from the clock, and results go to it when they are known;
//              (2) the vacancies of a process are in_flight times its threads, minus its jobs in flight. A job is in
//                  flight from the time it is given out until its result is known;
//              (3) a thread is idle only while all jobs that have arrived at its process have been started;
//              (4) hence the makespan is at least each of these: work / threads; the longest chain (the jobs of one
//                  candidate); the coordinator's seconds; the seconds of any line; two latencies times the
//                  number of jobs of a chain; two latencies times the number of jobs that, one after another, filled
//                  one of a process's places for jobs in flight;
//              (5) without latency, bytes and decision_seconds, and with in_flight 1, a cluster makes the same
//                  decisions as threads without teams. Unless states stay on processes, the results of the two
//                  simulations are bit-identical; if states stay, jobs may run on other threads.
// Threads:     none; several runs may be simulated at once.
// Cost:        O(log n) per event, with three or four events per job. Memory: 12 bytes per candidate in addition to the
//              ladder's.

#pragma once

#include <cstdint>
#include <functional>
#include <limits>

#include "ash/simulate/simulator.hpp"

namespace ash {

struct Cluster {
    int threads_per_process = 1;  // the last process has the remaining threads
    int in_flight = 1;            // maximum number of jobs in flight per thread, including the running job
    bool states_stay = true;
    double latency = 0.0;  // delay of each message in seconds, in either direction
    double bandwidth = std::numeric_limits<double>::infinity();          // bytes per second of the coordinator's line
    double process_bandwidth = std::numeric_limits<double>::infinity();  // bytes per second of each process's line
    double data_bytes = 0.0;
    double decision_seconds = 0.0;
};

struct ClusterSimulation {
    Simulation run;
    int processes = 0;
    double bytes = 0.0;        // total bytes of data and states, counted each time they are sent
    std::int64_t moves = 0;    // number of states moved between processes
    double coordinator = 0.0;  // seconds spent on decisions
    double line = 0.0;         // seconds in which bytes passed the busiest direction of any line
};

// Simulates a run. Throws std::invalid_argument in the same cases as Ladder and Clock, for threads < 1, if the settings
// allow teams, and if values of `cluster` are out of range. observer: as for simulate().
ClusterSimulation simulate_cluster(const SimulationSettings& settings, const Cluster& cluster, const Workload& workload,
                                   const std::function<void(const SimulatedJob&)>& observer = {});

}  // namespace ash
