// tuner.hpp: the threads that train candidates up a ladder.
//
//     caller           launcher            OpenMP threads 0 .. threads - 1
//       | start() ----> | parallel ------> decide: report the last job, ask the clock for the next  [critical section]
//       | wait()        |                  a task:    train                                          [alone]
//       | provide() - - |- - - - - - - - > no task:   help a running job, if its team is open        [its team]
//       | events() ...  |                  nothing:   sleep until the bell rings
//       | stop() - - - -|- - - - - - - - > leave within a block of rows
//       | wait() <------| ends when all have left
//
// There are never more threads at work than were allowed: one that helps has no job of its own. The launcher is a
// thread of its own, asleep while they run, so that the caller can look for signals. What earlier runs have left is
// told before start() (restore()) and taken up as the clock comes to it (history.hpp).
//
// Order:       the clock's (clock.hpp). A result that it holds back stays in held_ and is settled (recorded, kept
//              if it is among the best, its state freed) when it is decided, so records too are in the order of decisions.
// Invariants:  (1) a job that ended is reported once, before its thread asks for another; a stopped job is not
//                  reported and leaves no record;
//              (2) a sleeper or a member of a team waits for bell_ to leave the value that it read in the critical
//                  section in which it found nothing to do; whoever has news for others (a task, an open team, an end,
//                  candidates) adds to bell_ and wakes; so no wake-up is lost;
//              (3) after the first exception, of any kind, all threads leave, and wait() throws it;
//              (4) nobody joins a team while as many threads as there are cores run a job or help (seats.hpp);
//              (5) after stop(), results that were held back are settled before wait() returns true; after the ladder's
//                  target was met they are dropped, so that what is recorded does not depend on timing.
// Members:     const after construction: settings_; after start(): before_.
//              - ladder_, clock_, history_, held_, seats_ (but for its teams): critical section.
//              - candidates_: bookkeeping in the critical section; train() and help() outside (candidates.hpp).
//              - records_: its own mutex; written by the OpenMP threads in the critical section, read by the caller.
//              - bell_: atomic; written by everybody.
//              - stop_: atomic, set once, never cleared; polled by the trainer.
//              - wanted_: atomic; written in the critical section and under mutex_.
//              - ended_: written by the launcher as its last act, under mutex_; the caller waits for it.
//              - failure_: written by the launcher before ended_, read by the caller after it.
//              - launcher_, start_: caller alone; start_ is written before there is any thread.
// Threads:     start(), wait(), provide() and the destructor belong to one caller; all others may be called from any
//              thread.
// Cost:        a decision: the ladder's O(log n) and, with teams, O(threads); about 1 us with its records. A sleeper
//              costs nothing.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/run/seats.hpp"
#include "ash/search/clock.hpp"
#include "ash/search/ladder.hpp"
#include "ash/search/records.hpp"
#include "ash/search/replay.hpp"

namespace ash {

struct TunerSettings {
    LadderSettings ladder;  // its candidates are Candidates::count(), whatever it says
    int threads = 1;
    int cores = 0;  // how many threads may run at once, teams included; 0: threads
    Schedule schedule = Schedule::reproducible;
    int workers = 32;  // of the virtual clock
    bool teams = true;
    int keep = 1;  // of the best candidates, so many states
};

class Tuner {
  public:
    // Throws std::invalid_argument as Ladder and VirtualClock do, and for threads or keep < 1.
    Tuner(std::unique_ptr<Candidates> candidates, const TunerSettings& settings);
    ~Tuner();  // stops and joins
    Tuner(const Tuner&) = delete;
    Tuner& operator=(const Tuner&) = delete;

    // Goes on from what earlier runs have left, which took so many seconds: those of this run count on from there.
    // steps: of a greedy run. Throws std::logic_error after start().
    void restore(std::vector<KnownJob> jobs, std::span<const Step> steps, std::span<const Assist> assists,
                 double seconds);

    // Throws std::logic_error when it was called before, std::system_error when there is no thread to be had.
    void start();

    // Waits at most so long, less when candidates are wanted; true when all threads have left. Throws what a thread
    // threw, and std::logic_error before start().
    bool wait(double seconds);

    // Asks the threads to leave; returns at once.
    void stop() noexcept;

    // Returns when all threads have left, whatever they threw; at once if there are none.
    void join() noexcept;

    // How many more candidates would be welcome now; without them threads may soon stand still. 0: none.
    std::int64_t wanted() const { return wanted_; }

    // append(candidates) makes more candidates known. Throws what it throws, and has then changed nothing.
    void provide(const std::function<void(Candidates&)>& append);

    std::vector<Event> take_events() { return records_.take_events(); }
    std::vector<JobRecord> jobs(std::size_t first = 0) const { return records_.jobs(first); }
    std::vector<Step> steps(std::size_t first = 0) const { return records_.steps(first); }
    std::vector<Assist> assists(std::size_t first = 0) const { return records_.assists(first); }
    std::vector<std::int32_t> take_retired() { return records_.take_retired(); }  // since the last call
    std::vector<Kept> kept() const { return records_.kept(); }  // kept.hpp: a function of the jobs on record
    std::optional<Kept> best() const { return records_.best(); }
    std::vector<Kept> missing() const { return records_.missing(); }  // kept by results restored without their states
    std::vector<Kept> kept_and_missing() const { return records_.kept_and_missing(); }  // best first

    // The states [folds] that the job of this candidate in this rung has left, if it waits or is kept; else none.
    States states(std::int32_t candidate, std::int32_t rung);

    // Trains the first `most` of missing(), from the beginning and to the same bits. stop() is asked every few milliseconds, by the
    // caller's thread; true: it is given up. REQUIRES: wait() has returned true. Throws what a thread or stop() throws,
    // and std::runtime_error where a result does not belong to these candidates.
    void complete(int most, const std::function<bool()>& stop);

    // The states of one of missing(), which were elsewhere.
    void fill(const Kept& kept, States states) { records_.fill(kept, std::move(states)); }

    std::vector<RungCounts> rungs() const { return records_.rungs(); }
    MemoryUse memory() const;
    Ending ending() const;

  private:
    struct Decision {
        std::optional<Task> task = {};
        std::optional<Invited> help = {};
        std::uint32_t bell = 0;
        bool finished = false;
    };
    struct Done {  // what a thread comes back with
        std::optional<Report> report = {};
        std::optional<JobRecord> record = {};
        std::optional<Assist> assist = {};
        std::optional<int> helped = {};  // the owner
    };

    void run() noexcept;
    void work(int thread);
    Decision decide(int thread, const Done& done);
    void take(int thread, const Done& done);
    void assign(int thread, const Task& task);
    void recall(const Task& task, const KnownJob& known);
    void change(const std::function<void()>& change);
    void settle();
    void record(const Report& report);
    void look_for_wants();
    Done train(int thread, const Task& task);
    Done help(int thread, const Invited& invited);
    void ring() noexcept;
    double seconds() const;

    const TunerSettings settings_;
    const std::unique_ptr<Candidates> candidates_;
    Ladder ladder_;
    std::unique_ptr<Clock> clock_;
    History history_;
    std::unordered_map<std::int32_t, JobRecord> held_;  // by candidate: ended, not decided
    Records records_;
    std::atomic<std::uint32_t> bell_{0};
    Seats seats_;
    const History::Owner owner_;
    std::atomic<bool> stop_{false};
    std::atomic<std::int64_t> wanted_{0};

    mutable std::mutex mutex_;
    std::condition_variable end_;
    bool ended_ = false;
    std::exception_ptr failure_;
    std::thread launcher_;
    std::chrono::steady_clock::time_point start_;
    double before_ = 0.0;  // seconds of earlier runs
};

}  // namespace ash
