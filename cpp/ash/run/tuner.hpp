// tuner.hpp: runs the threads that train candidates and promote them through a ladder.
//
//     caller           launcher            OpenMP threads 0 .. threads - 1
//       | start() ----> | parallel ------> decide: report the last job, ask the clock for the next  [critical section]
//       | wait()        |                  a task:    train                                          [alone]
//       | provide() - - |- - - - - - - - > no task:   help a running job, if its team is open        [its team]
//       | events() ...  |                  nothing:   sleep until the bell rings
//       | stop() - - - -|- - - - - - - - > threads leave within one block of rows
//       | wait() <------| ends when all threads have left
//
// The launcher is a separate thread, so that the caller can check for signals. The launcher is also thread 0 of the
// OpenMP threads. What is decided, replayed and recorded is the search's part (search.hpp).
//
// Order:       the clock's order (clock.hpp).
// Invariants:  (1) a job that ended is reported once, before its thread requests another job; a stopped job is not
//                  reported and gets no JobRecord;
//              (2) a thread that finds nothing to do reads bell_ before it leaves the critical section. It then sleeps
//                  or helps until bell_ has another value. Every change that creates new work increments bell_ and
//                  wakes the sleepers, so no wake-up is lost;
//              (3) after the first exception of any kind all threads leave, and wait() rethrows it;
//              (4) no thread joins a team while the number of threads that run a job or help is at least the number of
//                  cores (seats.hpp);
//              (5) reproducible: if a run is ended early by stop() or by its ladder, its records are the first records
//                  of the complete run. Results held back at that time are dropped, since timing determines which of
//                  them exist.
// Threads:     start(), wait(), provide() and the destructor are called by one thread; any thread may call all other
//              functions. A table in DESIGN.md ("Threads") shows which thread writes which member under which lock.
// Cost:        a decision takes O(log n) in the ladder plus, with teams, O(threads). It takes about 1 us including its
//              records. A sleeping thread costs nothing.

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
#include "ash/search/search.hpp"

namespace ash {

struct TunerSettings {
    LadderSettings ladder;  // its number of candidates is replaced by Candidates::count()
    int threads = 1;
    // No thread joins a team while at least this many threads run a job or help. The number of threads that run jobs is
    // not limited, except that complete() uses at most this many threads. 0 means `threads`.
    int cores = 0;
    Schedule schedule = Schedule::reproducible;  // this and the next two: as in SearchSettings
    int workers = 32;
    double work_limit = 0.0;  // in multiply-adds
    bool teams = true;
    int keep = 1;  // as in SearchSettings
    // More candidates are requested when fewer than this many known candidates are waiting to enter. With 0, they are
    // requested when an idle worker finds no known candidate, so that draws may depend on the results so far.
    std::int64_t ahead = 1024;
};

class Tuner : private Search::Owner {
  public:
    // Throws std::invalid_argument like Search, and for threads < 1 or ahead < 0.
    Tuner(std::unique_ptr<Candidates> candidates, const TunerSettings& settings);
    ~Tuner() override;  // stops the threads and joins them
    Tuner(const Tuner&) = delete;
    Tuner& operator=(const Tuner&) = delete;

    // Calls Search::restore(). The earlier runs took `seconds` in total, and the seconds of this run are counted from
    // that value. Throws std::logic_error after start().
    void restore(std::vector<KnownJob> jobs, std::vector<Step> steps, std::span<const Assist> assists, double seconds);

    // Calls Candidates::restore(). Throws std::logic_error after start(), and otherwise like that function.
    void restore_state(std::int32_t candidate, std::int32_t rung, std::vector<State> states);

    // Starts the threads: as many as the settings request, or fewer if the system does not grant them. Throws
    // std::logic_error if called again, and std::system_error if no thread can be started.
    void start();

    // threads_asked() returns the number of threads requested. threads_started() returns the number that start()
    // started; 0 before start().
    int threads_asked() const { return settings_.threads; }
    int threads_started() const { return threads_; }

    // Returns whether this process was forked after start(), and therefore has none of the threads.
    bool is_forked() const noexcept;

    // Waits until all threads have left, wanted() is above 0, or `seconds` have passed. Returns whether all threads
    // have left. Rethrows the first exception of a thread; throws std::logic_error before start() and if is_forked().
    bool wait(double seconds);

    // Asks the threads to leave and returns immediately.
    void stop() noexcept;

    // Sets the deadline, in seconds from now. A job that would end after the deadline is not started. A later call
    // moves the deadline. The duration of a job is estimated from its cost and from the jobs that have ended. With a
    // greedy schedule, the deadline has no effect.
    void limit(double seconds);

    // is_short_of_time() returns whether the next job would end after the deadline. is_out_of_time() returns whether,
    // in addition, no job is running.
    bool is_short_of_time() const;
    bool is_out_of_time() const;

    // Waits until all threads have left, without rethrowing their exceptions. Returns immediately if there are no
    // threads.
    void join() noexcept;

    // Returns the number of candidates that the caller should provide now to keep the threads busy; 0 for none.
    std::int64_t wanted() const { return wanted_; }

    // Adds `more` to the known candidates. Throws like Candidates::append(). If it throws, nothing has changed.
    void provide(std::vector<Settings> more);

    // The events, jobs, steps, assists, rungs and best candidates so far.
    Records& records() { return search_.records(); }
    const Records& records() const { return search_.records(); }
    std::vector<Kept> kept() const { return records().kept(); }  // the best candidates (kept.hpp) of all recorded jobs
    std::vector<JobRecord> held() const;                         // Search::held()

    // Returns the states [folds] after the job of this candidate in this rung, if the candidate waits in this rung or
    // the job is kept. Otherwise, or if any of these states is missing, returns no states.
    States states(std::int32_t candidate, std::int32_t rung);

    // Recreates missing states of kept networks. Of the networks in kept() that lack states, the first `most` are
    // trained again from the beginning. The recreated states are bit-identical (retrain.hpp). REQUIRES: wait() has
    // returned true. Rethrows exceptions of threads and of stop(). Throws std::runtime_error if recreated weights
    // differ from those of the recorded job.
    void complete(int most, const std::function<bool()>& stop);

    // Adds the states [folds] to the kept job of this candidate in this rung. Does nothing if that job already has
    // states or is no longer kept. Throws like Candidates::checked().
    void fill(std::int32_t candidate, std::int32_t rung, std::vector<State> states);

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
        std::optional<JobRecord> record = {};
        std::optional<Assist> assist = {};
        std::optional<int> helped = {};  // the owner of the job that the thread helped with
    };

    void run() noexcept;
    void work_all() noexcept;
    void work(int thread);
    Decision decide(int thread, const Done& done);
    void collect(int thread, const Done& done);
    void assign(int thread, const Task& task);
    void change(const std::function<void()>& change);
    void heed();
    void look_for_wants();
    Done train(int thread, const Task& task);
    Done help(int thread, const Invited& invited);
    void ring() noexcept;

    double cost(const Job& job) const override { return candidates_->cost(job); }
    double seconds() const override;
    bool is_over() const override { return stop_; }
    bool is_late(const Task& task) const override;
    void replayed(JobRecord& record, const KnownJob& known) override;
    States publish(std::int32_t candidate) override { return candidates_->publish(candidate); }
    void wait(const Report& report) override;
    void retire(std::int32_t candidate) override;

    const TunerSettings settings_;
    const std::unique_ptr<Candidates> candidates_;
    std::atomic<std::uint32_t> bell_{0};
    Seats seats_;
    double limit_ = std::numeric_limits<double>::infinity();  // the deadline, in seconds of the run
    double paced_seconds_ = 0.0;  // total seconds of the jobs that ended in this run; paced_cost_: their total cost
    double paced_cost_ = 0.0;
    std::unordered_map<std::int32_t, double> pace_;  // by candidate: seconds per multiply-add in its last job
    std::atomic<bool> stop_{false};
    std::atomic<std::int64_t> wanted_{0};
    std::chrono::steady_clock::time_point start_;
    double before_ = 0.0;  // seconds of earlier runs; constant after start()
    Search search_;        // after the members that it asks for

    mutable std::mutex mutex_;
    std::condition_variable end_;
    bool ended_ = false;
    std::exception_ptr failure_;
    bool lacks_room_ = false;  // set if the launcher lacks the memory to throw an exception
    std::thread launcher_;
    int threads_ = 0;
    int process_ = 0;  // id of the process that started the threads
};

}  // namespace ash
