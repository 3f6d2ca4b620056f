// clock.hpp: when the decisions of a ladder are taken: the seam between the ladder and the threads.
//
//     Ladder <--report, next-- Clock <--next, finish-- threads            (or the simulator, without any)
//
//     greedy          a decision the moment a job really ends; who ends first depends on timing
//     reproducible    W virtual workers on a virtual clock; a job lasts as long as its cost says (multiply-adds):
//
//         worker 0  [ 0: rung 0 ][ 2: rung 0   ][ 0: rung 1           ]        decisions at virtual ends only, in
//         worker 1  [ 1: rung 0      ][ 3: rung 0 ][ idle ][ 2: rung 1 ...     their order, ties by worker
//                   0 ------------------- virtual time ------------------>
//
//         Threads train whichever of these jobs are outstanding, in any real order. A result that comes early is held
//         back until all that precede it in virtual time have come. So what is decided is a function of the ladder,
//         the costs, the scores and W: never of timing or of the number of threads.
//
// Order:       of results: virtual end, then worker. Workers without a job ask the ladder after each of them, lowest
//              number first. Outstanding jobs are handed out by Order; that changes when a thread must wait, but no
//              decision.
// Invariants:  (1) a worker has at most one job, and a task is handed out once;
//              (2) virtual time never goes back: decided tasks are in order of (finish, worker);
//              (3) reproducible: between two calls, the earliest unfinished task in virtual time has no result yet,
//                  and no idle worker could have had a job at that time, unless candidates are wanted;
//              (4) finished() never turns false again.
// Candidates:  a stream that is still being drawn is told by provide(). Where the next one might be needed and is not
//              there yet, the clock stands still; it never decides otherwise for want of it.
// Threads:     none here: the caller holds its critical section around every call. After any finish() or provide()
//              whoever found nothing in next() must ask again.
// Cost:        greedy adds nothing to the ladder's; reproducible O(log W) a decision, memory O(W).

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

// A job that was decided. Greedy: worker, start and finish are 0.
struct Task {
    Job job;
    std::int32_t worker = 0;
    double start = 0.0;   // virtual time
    double finish = 0.0;  // virtual time
};

// What became of a task.
struct Report {
    Task task;
    double score;
    double loss;
};

enum class Schedule : std::uint8_t { greedy, reproducible };

// Which of the outstanding jobs goes first; `ash.simulate(order=)` compares them.
enum class Order : std::uint8_t { finish, start, rung };  // lowest virtual finish or start; highest rung, then finish

using Cost = std::function<double(const Job&)>;

class Clock {
  public:
    virtual ~Clock() = default;

    // The next task to be executed, or nothing to do now.
    virtual std::optional<Task> next() = 0;

    // REQUIRES: next() gave the task, and it was not finished before.
    virtual void finish(const Report& report) = 0;

    // The tasks whose results the ladder has taken in the last finish(), release() or provide(), in that order.
    std::span<const Report> decided() const { return decided_; }

    // Whether next() would give a task.
    virtual bool has_task() const = 0;

    // So many candidates, from 0 on, are known by now. All of them from the beginning unless said otherwise.
    virtual void provide(std::int64_t candidates) = 0;

    // Whether it stands still for want of candidates. Reproducible: at a virtual time that depends on decisions alone.
    virtual bool starved() const = 0;

    // Nothing goes on: results held back are given to the ladder, and next() gives nothing any more.
    virtual void release() = 0;

    // Nothing runs and nothing can be had.
    virtual bool finished() const = 0;

  protected:
    void begin_decisions() { decided_.clear(); }
    void add_decision(const Report& report) { decided_.push_back(report); }

  private:
    std::vector<Report> decided_;
};

// REQUIRES: the ladder outlives the clock, and nobody else asks or tells it. known: candidates there at the beginning.
class GreedyClock final : public Clock {
  public:
    GreedyClock(Ladder& ladder, std::int64_t known) : ladder_(ladder), known_(known) {}

    std::optional<Task> next() override;
    void finish(const Report& report) override;
    bool has_task() const override;
    void provide(std::int64_t candidates) override;
    bool starved() const override;
    void release() override;
    bool finished() const override;

  private:
    Ladder& ladder_;
    std::int64_t known_;
    bool released_ = false;
};

class VirtualClock final : public Clock {
  public:
    // cost: of a job, positive and finite; called once a job. Throws std::invalid_argument for workers < 1.
    VirtualClock(Ladder& ladder, std::int64_t known, int workers, Cost cost, Order order);

    std::optional<Task> next() override;
    void finish(const Report& report) override;
    bool has_task() const override { return !released_ && !outstanding_.empty(); }
    void provide(std::int64_t candidates) override;
    bool starved() const override;
    void release() override;
    bool finished() const override;

  private:
    struct Worker {
        Report report;  // of its last task
        bool finished = false;
    };
    using Key = std::tuple<double, double, std::int32_t>;

    void advance();
    void employ();
    void decide(const Report& report);
    Key key(const Task& task) const;
    Worker& worker(std::int32_t number) { return workers_[static_cast<std::size_t>(number)]; }

    Ladder& ladder_;
    std::int64_t known_;
    const Cost cost_;
    const Order order_;
    double now_ = 0.0;
    bool released_ = false;
    std::vector<Worker> workers_;
    std::set<std::int32_t> idle_;
    std::set<std::pair<double, std::int32_t>> ends_;  // (finish, worker) of every task not yet decided
    std::set<Key> outstanding_;                       // by order_; the last part is the worker
};

std::unique_ptr<Clock> make_clock(Schedule schedule, Ladder& ladder, std::int64_t known, int workers, Cost cost,
                                  Order order = Order::finish);

}  // namespace ash
