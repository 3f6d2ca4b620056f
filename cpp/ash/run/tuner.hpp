// tuner.hpp: runs the threads that train candidates and promote them through a ladder.
//
//     caller           launcher            OpenMP threads 0 .. threads - 1
//       | start() ----> | parallel ------> decide: report the last job, ask the clock for the next  [critical section]
//       | wait()        |                  a task:    train                                          [alone]
//       | provide() - - |- - - - - - - - > no task:   help a running job, if its team is open        [its team]
//       | events() ...  |                  nothing:   sleep until the bell rings
//       | stop() - - - -|- - - - - - - - > leave within a block of rows
//       | wait() <------| ends when all have left
//
// The launcher is a separate thread, so that the caller can check for signals; it is thread 0 of the region. Results of
// earlier runs are passed to restore() before start(), and reported when the clock requests their jobs (replay.hpp).
//
// Order:       that of the clock (clock.hpp). A result that it holds back stays in held_ and is recorded when it is
//              decided, so records are also in the order of decisions.
// Invariants:  (1) a job that ended is reported once, before its thread requests another; a stopped job is not reported
//                  and leaves no record;
//              (2) a sleeper or a team member waits until bell_ differs from the value that it read in the critical
//                  section in which it found nothing to do. Whatever creates new work increments bell_ and wakes the
//                  sleepers, so no wake-up is lost;
//              (3) after the first exception of any kind all threads leave, and wait() rethrows it;
//              (4) no thread joins a team while at least as many threads as there are cores run a job or help
//                  (seats.hpp);
//              (5) reproducible: a run ended early, by stop() or by its ladder, has the first records of a complete
//                  run. Results held back at that time are dropped, since timing determines which of them exist.
// Threads:     start(), wait(), provide() and the destructor: one caller; all others: any thread. A table in DESIGN.md
//              ("Threads") shows which thread writes which member under which lock.
// Cost:        a decision takes O(log n) in the ladder and, with teams, O(threads): about 1 us including its records. A
//              sleeping thread costs nothing.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
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
    LadderSettings ladder;  // its number of candidates is replaced by Candidates::count()
    int threads = 1;
    int cores = 0;  // number of threads that may run at once, including team members; 0 means `threads`
    Schedule schedule = Schedule::reproducible;
    int workers = 32;         // workers of the virtual clock
    double work_limit = 0.0;  // multiply-adds of all jobs, after which no job starts; 0 for no limit
    bool teams = true;
    int keep = 1;  // number of best candidates that keep their states
    // More candidates are requested when fewer than this many known candidates are waiting to enter. With 0, they are
    // requested when an idle worker has none left, so that draws may depend on the results so far.
    std::int64_t ahead = 1024;
};

class Tuner {
  public:
    // Throws std::invalid_argument like Ladder and VirtualClock, and for threads or keep < 1.
    Tuner(std::unique_ptr<Candidates> candidates, const TunerSettings& settings);
    ~Tuner();  // stops and joins
    Tuner(const Tuner&) = delete;
    Tuner& operator=(const Tuner&) = delete;

    // Resumes from the results of earlier runs. These took `seconds` in total, and this run's clock continues from
    // there. steps: those of a greedy run. Throws std::logic_error after start().
    void restore(std::vector<KnownJob> jobs, std::span<const Step> steps, std::span<const Assist> assists,
                 double seconds);

    // Throws std::logic_error after start(), and otherwise like Candidates::restore().
    void restore_state(std::int32_t candidate, std::int32_t rung, std::vector<State> states);

    // Starts as many threads as the settings say and the system grants. Throws std::logic_error if called again, and
    // std::system_error if no thread can be started.
    void start();

    // The number of threads requested, and the number started by start(), which is 0 before it.
    int threads_asked() const { return settings_.threads; }
    int threads_started() const { return threads_; }

    // Returns whether this process was forked after start(), and therefore has none of the threads.
    bool is_forked() const noexcept;

    // Waits for at most `seconds`, or until candidates are wanted. Returns true when all threads have left. Rethrows
    // what a thread threw; throws std::logic_error before start() and if is_forked().
    bool wait(double seconds);

    // Asks the threads to leave and returns immediately.
    void stop() noexcept;

    // Sets the deadline, in seconds from now. A job that would end after the deadline is not started. A later call
    // moves the deadline. The duration of a job is estimated from its cost and from the jobs that have ended. There is
    // no effect on a greedy schedule.
    void limit(double seconds);

    // Returns whether the next job would end too late. is_out_of_time() also requires that no job is running.
    bool is_short_of_time() const;
    bool is_out_of_time() const;

    // Returns when all threads have left, whatever they threw, or immediately if there are none.
    void join() noexcept;

    // The number of candidates to provide now, so that threads do not soon run out of work; 0 for none.
    std::int64_t wanted() const { return wanted_; }

    // Adds known candidates. Throws like Candidates::append(), and then changes nothing.
    void provide(std::vector<Settings> more);

    std::vector<Event> take_events() { return records_.take_events(); }
    std::vector<JobRecord> jobs(std::size_t first = 0) const { return records_.jobs(first); }
    std::vector<Step> steps(std::size_t first = 0) const { return records_.steps(first); }
    std::vector<Assist> assists(std::size_t first = 0) const { return records_.assists(first); }
    std::vector<std::int32_t> take_retired() { return records_.take_retired(); }  // those since the last call
    std::vector<Kept> kept() const { return records_.kept(); }  // kept.hpp: a function of the jobs on record

    // The states [folds] after the job of this candidate in this rung, if the candidate waits there or is kept; else
    // none.
    States states(std::int32_t candidate, std::int32_t rung);

    // Trains the first `most` of kept() without states again, from the beginning and to the same bits: retrain.hpp.
    // REQUIRES: wait() has returned true. Rethrows what a thread or stop() throws; throws std::runtime_error if a
    // result does not belong to these candidates.
    void complete(int most, const std::function<bool()>& stop);

    // Adds the states [folds] to the kept job of this candidate in this rung. Does nothing if it has states or is no
    // longer kept. Throws like Candidates::checked().
    void fill(std::int32_t candidate, std::int32_t rung, std::vector<State> states);

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
    struct Done {  // the report of a thread that returns from work
        std::optional<Report> report = {};
        std::optional<JobRecord> record = {};
        std::optional<Assist> assist = {};
        std::optional<int> helped = {};  // the owner of the job
    };

    void run() noexcept;
    void work_all() noexcept;
    void work(int thread);
    Decision decide(int thread, const Done& done);
    void collect(int thread, const Done& done);
    void assign(int thread, const Task& task);
    void replay(const Task& task, const KnownJob& known);
    void change(const std::function<void()>& change);
    void settle();
    void record(const Report& report);
    void look_for_wants();
    bool is_late(const Task& task) const;
    Done train(int thread, const Task& task);
    Done help(int thread, const Invited& invited);
    void ring() noexcept;
    double seconds() const;

    const TunerSettings settings_;
    const std::unique_ptr<Candidates> candidates_;
    Ladder ladder_;
    std::unique_ptr<Clock> clock_;
    Replay replay_;
    std::unordered_map<std::int32_t, JobRecord> held_;  // by candidate: jobs ended but not decided
    Records records_;
    std::atomic<std::uint32_t> bell_{0};
    Seats seats_;
    const Replay::Owner owner_;
    double limit_ = std::numeric_limits<double>::infinity();  // the deadline, in seconds of the run
    double paced_seconds_ = 0.0;  // seconds of the jobs that have ended here, and their cost
    double paced_cost_ = 0.0;
    std::unordered_map<std::int32_t, double> pace_;  // by candidate: seconds per cost of its last job
    std::atomic<bool> stop_{false};
    std::atomic<std::int64_t> wanted_{0};

    mutable std::mutex mutex_;
    std::condition_variable end_;
    bool ended_ = false;
    std::exception_ptr failure_;
    bool lacks_room_ = false;  // whether the launcher has no memory for an exception
    std::thread launcher_;
    int threads_ = 0;
    int process_ = 0;  // id of the process that started the threads
    std::chrono::steady_clock::time_point start_;
    double before_ = 0.0;  // seconds of earlier runs; constant after start()
};

}  // namespace ash
