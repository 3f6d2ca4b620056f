// seats.hpp: records which job each thread runs, and selects the job that a thread without a job may help with.
//
//     thread   0: job, team of up to 3, one helper        1: helps 0        2: job, too small to share        3: idle
//
// Invariants:  (1) a thread either sits (runs a job, counted in busy_), helps (counted in helping_), or does neither;
//              (2) no thread is invited while the number of threads that sit or help is at least the number of cores;
//              (3) the number of helpers of a seat is at most Team::most_members() of its team.
// Threads:     the tuner holds its critical section around every call except team() and wake(), which any thread may
//              call.
// Cost:        O(1); invite() O(threads).

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ash/search/clock.hpp"
#include "ash/train/team.hpp"

namespace ash {

// An invitation to the open team of a running job.
struct Invited {
    int owner;
    Job job;
    Team::Invitation invitation;
};

class Seats {
  public:
    // REQUIRES: threads >= 1. bell: passed to the constructor of each Team.
    Seats(int threads, int cores, bool teams, const std::atomic<std::uint32_t>& bell);

    // Registers that `thread` starts the job of `task`. The job costs `cost`, and each of its updates costs
    // `step_cost`. Opens a team of at most team_limit() members for the job. ring, ringer: as for Team::open().
    void sit(int thread, const Task& task, double cost, double step_cost, void (*ring)(void*), void* ringer);

    // Call when the thread returns from work. Registers the end of its job, if it was running one.
    void rise(int thread);

    // Returns the largest team that is worthwhile for the steps of this thread's job, regardless of available threads.
    int team_limit(int thread) const { return seat(thread).team_limit; }

    // Returns whether other threads may join the job of this thread.
    bool is_open(int thread) const { return seat(thread).task && teams_[static_cast<std::size_t>(thread)]->is_open(); }

    // Selects, among the open teams with room, the team whose job has the most work left per thread. From now on the
    // caller counts as a helper of that team. bell: the value of the bell when the caller found nothing else to do.
    // Returns nullopt if there is no such team, or if at least as many threads sit or help as there are cores.
    std::optional<Invited> invite(std::uint32_t bell);
    void helped(int owner);  // registers that a helper has left the team of this owner

    Team& team(int thread) { return *teams_[static_cast<std::size_t>(thread)]; }
    int busy() const { return busy_; }  // number of threads that run a job
    void wake() noexcept;               // calls Team::wake() of all teams

  private:
    struct Seat {
        std::optional<Task> task;
        double cost = 0.0;
        int team_limit = 1;
        int helpers = 0;
    };

    const Seat& seat(int thread) const { return seats_[static_cast<std::size_t>(thread)]; }
    Seat& seat(int thread) { return seats_[static_cast<std::size_t>(thread)]; }

    const int cores_;
    const bool allowed_;                        // whether teams are allowed
    std::vector<Seat> seats_;                   // one per thread
    std::vector<std::unique_ptr<Team>> teams_;  // one per thread, for the job that the thread runs
    int busy_ = 0;                              // number of threads that run a job
    int helping_ = 0;                           // number of threads that help
};

}  // namespace ash
