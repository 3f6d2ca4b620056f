// tuner.hpp: the threads that train candidates up a ladder.
//
//     caller         launcher            OpenMP threads 0 .. threads - 1
//       | start() ----> | parallel ------> decide: report the last job, ask for the next     [critical section]
//       | wait()        |                  train                                             [alone]
//       | events() ...  |                  nothing to do: sleep until somebody reports
//       | stop() - - - -|- - - - - - - - > leave within a block of rows
//       | wait() <------| ends when all have left
//
// One thread trains one job, and there are never more threads at work than were allowed. The launcher is a thread of
// its own, asleep while they run, so that the caller can look for signals.
//
// Invariants:  (1) a job that ended is reported once, before its thread asks for another; a stopped job is not
//                  reported and leaves no record;
//              (2) a sleeper waits for changes_ to leave the value that it read in the critical section in which it
//                  found nothing to do, and looks at stop_ in between; reports add to changes_ in the critical
//                  section, and stop() adds after it has set stop_; so no wake-up is lost;
//              (3) after the first exception, of any kind, all threads leave, and wait() throws it.
// Members:     const after construction: threads_.
//              - ladder_, clock_: critical section; touched by the OpenMP threads alone.
//              - candidates_: bookkeeping (publish, settle) in the critical section; train() outside, by the thread
//                that holds the job (candidates.hpp).
//              - records_: its own mutex; written by the OpenMP threads in the critical section, read by the caller.
//              - changes_: atomic; written in the critical section and by stop().
//              - stop_: atomic, set once, never cleared; polled by the trainer.
//              - ended_: written by the launcher as its last act, under mutex_; the caller waits for it.
//              - failure_: written by the launcher before ended_, read by the caller after it.
//              - launcher_, start_: caller alone; start_ is written before there is any thread.
// Threads:     start(), wait() and the destructor belong to one caller; all others may be called from any thread.
// Cost:        a decision: the ladder's O(log n); about 1 us with its records. A sleeper costs nothing.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "ash/candidates.hpp"
#include "ash/clock.hpp"
#include "ash/ladder.hpp"
#include "ash/records.hpp"

namespace ash {

class Tuner {
  public:
    // ladder.candidates is candidates->count(), whatever it says. Throws std::invalid_argument as Ladder does, and for
    // threads < 1.
    Tuner(std::unique_ptr<Candidates> candidates, LadderSettings ladder, int threads);
    ~Tuner();  // stops and waits
    Tuner(const Tuner&) = delete;
    Tuner& operator=(const Tuner&) = delete;

    // Throws std::logic_error when it was called before, std::system_error when there is no thread to be had.
    void start();

    // Waits at most so long; true when all threads have left. Throws what a thread threw, and
    // std::logic_error before start().
    bool wait(double seconds);

    // Asks the threads to leave; returns at once.
    void stop() noexcept;

    std::vector<Event> take_events() { return records_.take_events(); }
    std::vector<JobRecord> jobs() const { return records_.jobs(); }
    std::optional<Best> best() const { return records_.best(); }
    std::vector<RungCounts> rungs() const { return records_.rungs(); }

  private:
    struct Decision {
        std::optional<Job> job;
        std::uint32_t changes = 0;
        bool finished = false;
    };

    void run() noexcept;
    void work(int thread);
    Decision decide(int thread, const std::optional<JobRecord>& ended);
    void settle(const JobRecord& record);
    std::optional<JobRecord> train(const Job& job, int thread);
    double seconds() const;

    const int threads_;
    const std::unique_ptr<Candidates> candidates_;
    Ladder ladder_;
    GreedyClock clock_{ladder_};
    Records records_;
    std::atomic<std::uint32_t> changes_{0};
    std::atomic<bool> stop_{false};

    std::mutex mutex_;
    std::condition_variable end_;
    bool ended_ = false;
    std::exception_ptr failure_;
    std::thread launcher_;
    std::chrono::steady_clock::time_point start_;
};

}  // namespace ash
