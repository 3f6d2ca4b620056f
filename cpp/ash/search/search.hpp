// search.hpp: decides a search and records it: which job is next, what each result means, and when the search ends.
//
//     restore() ---> Replay ---.                                      .---> Records: events, jobs, steps, best jobs
//     next()    <------------- Clock <---> Ladder ---> decisions -----|
//     finish()  ---> held -----'                                      '---> Owner: publish, wait, retire
//
// Whoever runs the jobs asks it for tasks and reports their results. These are the threads of a tuner (run/tuner.hpp),
// which train networks and boosted trees, or Python's calling thread, for the jobs of a function.
//
// Order:       the clock's order (clock.hpp). A result that the clock holds back is in held() and is recorded when it
//              is decided, so records are in the order of decisions. Known results are replayed before new jobs are
//              given out, as far as the known candidates allow.
// Invariants:  (1) a result is recorded once, when the ladder receives it;
//              (2) if the search is ended early, its records are the first records of the complete search.
// Threads:     none: the caller holds its critical section around every call. Any thread may read records().
// Cost:        O(log n) per job in the ladder, plus its records: about 1 us.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ash/model/state.hpp"
#include "ash/search/clock.hpp"
#include "ash/search/ladder.hpp"
#include "ash/search/records.hpp"
#include "ash/search/replay.hpp"

namespace ash {

struct SearchSettings {
    LadderSettings ladder;
    Schedule schedule = Schedule::reproducible;
    int workers = 32;         // workers of the virtual clock
    double work_limit = 0.0;  // total cost of jobs after which no job is given out; 0 for no limit
    int keep = 1;             // maximum number of kept networks, and of kept external candidates (kept.hpp)
};

class Search {
  public:
    // What a search asks of those who run its jobs, and tells them.
    class Owner {
      public:
        virtual ~Owner() = default;
        virtual double cost(const Job& job) const = 0;             // as in clock.hpp
        virtual double seconds() const = 0;                        // since the start of the run
        virtual bool is_over() const { return false; }             // whether no more jobs are wanted
        virtual bool is_late(const Task&) const { return false; }  // whether a task would end after the deadline
        // Completes a known result before it is reported.
        virtual void replayed(JobRecord&, const KnownJob&) {}
        // Returns the states after a decided job that is kept, if there are any.
        virtual States publish(std::int32_t) { return {}; }
        // Called after each decided job: its candidate waits for promotion (or has diverged), or has retired.
        virtual void wait(const Report&) {}
        virtual void retire(std::int32_t) {}
    };

    // known: the initial number of known candidates. Throws std::invalid_argument like Ladder and make_clock(), and for
    // keep < 1. REQUIRES: the owner outlives the search, and can answer cost() now.
    Search(const SearchSettings& settings, std::int64_t known, Owner& owner);

    // Resumes from known results: replays what can be replayed before any job runs. steps: the decisions of a greedy
    // search. REQUIRES: no other call was made before.
    void restore(std::vector<KnownJob> jobs, std::vector<Step> steps);

    // Returns the next task to run, or nothing if there is none now.
    std::optional<Task> next();

    // Reports the result of a task. Throws std::invalid_argument, and changes nothing, if the task is not running.
    void finish(const JobRecord& record);

    // Sets the number of known candidates (clock.hpp), and goes on replaying.
    void provide(std::int64_t known);

    // Ends the search: no more jobs are given out.
    void release();

    bool has_task() const { return replay_.has_task(*clock_, hooks_); }  // whether next() may return a task
    bool is_late() const { return replay_.is_late(hooks_); }  // whether the next task would end after the deadline
    bool is_starved() const { return clock_->starved(); }     // whether it waits for more candidates
    bool finished() const { return clock_->finished(); }
    bool is_cut() const { return ladder_.is_cut(); }
    Ending ending() const { return ladder_.ending(); }
    std::int64_t entered() const { return ladder_.entered(); }
    std::span<const Rung> rungs() const { return ladder_.rungs(); }

    std::vector<JobRecord> held() const;  // jobs that have ended and are not decided yet, by candidate

    Records& records() { return records_; }
    const Records& records() const { return records_; }

  private:
    void replay(const Task& task, const KnownJob& known);
    void settle();
    void record(const Report& report);

    Owner& owner_;
    Ladder ladder_;
    const std::unique_ptr<Clock> clock_;
    const Replay::Owner hooks_;
    Replay replay_;
    std::unordered_map<std::int32_t, JobRecord> held_;  // by candidate
    Records records_;
};

}  // namespace ash
