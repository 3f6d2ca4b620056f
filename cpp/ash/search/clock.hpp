// clock.hpp: determines when a ladder makes its decisions. It is the layer between the ladder and the threads.
//
//     Ladder <--report, next-- Clock <--next, finish-- threads            (or the simulator, without threads)
//
//     greedy          decides whenever a job really ends, so decisions depend on timing
//     reproducible    W virtual workers (`workers`) on a virtual clock; the virtual duration of a job is its
//                     cost in multiply-adds:
//
//         worker 0  [ 0: rung 0 ][ 2: rung 0   ][ 0: rung 1           ]        decisions only at virtual ends, in
//         worker 1  [ 1: rung 0      ][ 3: rung 0 ][ idle ][ 2: rung 1 ...     their order, ties: lower worker number
//                   0 ------------------- virtual time ------------------>
//
//         A job is outstanding while a virtual worker has it but no thread does. Threads train the outstanding jobs in
//         any real order. An early result is held back until all results that precede it in virtual time have arrived.
//         So decisions are a function of the ladder, costs, scores and W.
//
// Order:       greedy: results are decided in the order in which they are reported.
//              reproducible: results are decided in order of virtual end, then worker. After each result, idle workers
//              ask the ladder, lowest number first. The enum Order selects which outstanding job is handed out first.
//              This choice changes no decision.
// Invariants:  (1) a worker has at most one job, and a task is handed out once;
//              (2) virtual time never goes back: decided tasks are in order of (finish, worker);
//              (3) reproducible: between two calls, the undecided task with the earliest virtual end has no result yet,
//                  and the ladder has no job for idle workers. This does not hold while the clock waits for candidates,
//                  nor after the end of the run;
//              (4) finished() never becomes false again.
// Work:        once the total cost of the jobs given out reaches `work_limit`, no further job is given out. So the
//              earlier jobs determine the last job, which is therefore as reproducible as the decisions.
// Candidates:  provide() announces that more candidates are known. The clock stops whenever the next candidate might be
//              needed but is not known yet, so the time at which candidates arrive changes no decision.
// Threads:     none: the caller holds its critical section around every call. After finish() or provide(), threads that
//              got nothing from next() must ask again.
// Cost:        greedy: the ladder's cost; reproducible: O(log W) more per decision, and memory O(W).

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "ash/search/ladder.hpp"

namespace ash {

// A job given out by the clock. With a greedy clock, `worker`, `start` and `finish` are 0.
struct Task {
    Job job;
    std::int32_t worker = 0;
    double start = 0.0;   // virtual time at which the job starts
    double finish = 0.0;  // virtual time at which the job ends
};

// The result of a task.
struct Report {
    Task task;
    double score;
    double loss;
    bool is_error = false;  // whether it is a failure that counts towards max_failures (ladder.hpp)
    bool is_known = false;  // whether it was replayed
};

enum class Schedule : std::uint8_t { greedy, reproducible };

// Selects which outstanding job is handed out first: the job with the lowest virtual finish, the lowest virtual start
// or the highest rung. `ash.simulate(order=)` compares the choices.
enum class Order : std::uint8_t { finish, start, rung };

using Cost = std::function<double(const Job&)>;

class Clock {
  public:
    // REQUIRES: the ladder outlives the clock, and only the clock calls the ladder's next(), report() and close().
    // cost: returns the cost of a job, positive and finite. work_limit: the total cost after which no job is given out;
    // 0 for no limit.
    Clock(Ladder& ladder, Cost cost, double work_limit)
        : ladder_(ladder), cost_(std::move(cost)), work_limit_(work_limit) {}
    virtual ~Clock() = default;

    // Returns the next task to execute, or nothing if there is none now.
    virtual std::optional<Task> next() = 0;

    // Registers the result of a task. Throws std::invalid_argument, and changes nothing, if next() has not returned
    // this task or if finish() was already called for it.
    virtual void finish(const Report& report) = 0;

    // Returns the results that the ladder received in the last finish(), provide() or release(), in order of receipt.
    std::span<const Report> decided() const { return decided_; }

    // Returns whether next() would return a task.
    virtual bool has_task() const = 0;

    // Sets the number of known candidates, which are numbered from 0. Throws std::invalid_argument, and changes
    // nothing, if the number is lower than before or higher than the ladder's number of candidates.
    virtual void provide(std::int64_t candidates) = 0;

    // Returns whether the clock is stopped until more candidates are provided. With a virtual clock, this happens at a
    // virtual time that depends only on decisions.
    virtual bool starved() const = 0;

    // Ends the run: next() returns nothing from now on. A virtual clock also makes no more decisions, since these would
    // depend on which results happen to have arrived.
    virtual void release() = 0;

    // Returns whether the ladder has finished: nothing is running and no job is left, or a limit has ended the run.
    bool finished() const { return ladder_.finished(); }

  protected:
    Ladder& ladder() { return ladder_; }
    const Ladder& ladder() const { return ladder_; }
    double begin(const Job& job);  // adds the job's cost to the work so far, and returns the cost
    bool limits_work() const { return work_limit_ > 0.0; }
    void begin_decisions() { decided_.clear(); }
    void decide(const Report& report);

  private:
    Ladder& ladder_;
    const Cost cost_;
    const double work_limit_;
    double work_ = 0.0;
    std::vector<Report> decided_;
};

class GreedyClock final : public Clock {
  public:
    // known: the initial number of known candidates. `cost` is called only if work is limited.
    GreedyClock(Ladder& ladder, std::int64_t known, Cost cost = {}, double work_limit = 0.0)
        : Clock(ladder, std::move(cost), work_limit), known_(known) {}

    std::optional<Task> next() override;
    void finish(const Report& report) override;
    bool has_task() const override;
    void provide(std::int64_t candidates) override;
    bool starved() const override;
    void release() override;

  private:
    std::int64_t known_;
    bool released_ = false;
};

class VirtualClock final : public Clock {
  public:
    // `cost` is called once per job. Throws std::invalid_argument for workers < 1.
    VirtualClock(Ladder& ladder, std::int64_t known, int workers, Cost cost, Order order, double work_limit = 0.0);

    std::optional<Task> next() override;
    void finish(const Report& report) override;
    bool has_task() const override { return !released_ && !outstanding_.empty(); }
    void provide(std::int64_t candidates) override;
    bool starved() const override;
    void release() override;

  private:
    struct Worker {
        Report report;         // the result of the worker's last task
        bool running = false;  // whether the last task was handed out and has not finished
        bool finished = false;
    };
    using Key = std::tuple<double, double, std::int32_t>;

    void advance();
    void employ();
    Key key(const Task& task) const;
    bool is_running(const Task& task) const;
    Worker& worker(std::int32_t number) { return workers_[static_cast<std::size_t>(number)]; }

    std::int64_t known_;
    const Order order_;
    double now_ = 0.0;
    bool released_ = false;
    std::vector<Worker> workers_;
    std::set<std::int32_t> idle_;
    std::set<std::pair<double, std::int32_t>> ends_;  // (finish, worker) of every undecided task
    std::set<Key> outstanding_;                       // sorted by order_; the last element of a key is the worker
};

// Creates a clock of this schedule. Throws std::invalid_argument for known < 0, for more known candidates than the
// ladder has and, if the schedule is reproducible, for workers < 1.
std::unique_ptr<Clock> make_clock(Schedule schedule, Ladder& ladder, std::int64_t known, int workers, Cost cost,
                                  Order order = Order::finish, double work_limit = 0.0);

}  // namespace ash
