#include "ash/search/clock.hpp"

#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

namespace ash {

namespace {

// Returns whether all `known` candidates have entered the ladder although more candidates are still to be drawn.
bool is_starved(const Ladder& ladder, std::int64_t known) {
    return known < ladder.candidates() && ladder.entered() == known;
}

void check_known(const Ladder& ladder, std::int64_t least, std::int64_t known) {
    if (known >= least && known <= ladder.candidates()) return;
    throw std::invalid_argument("known candidates: fewer than before, or more than there are");
}

}  // namespace

double Clock::begin(const Job& job) {
    const double cost = cost_(job);
    work_ += cost;
    if (limits_work() && work_ >= work_limit_) ladder_.close();
    return cost;
}

void Clock::decide(const Report& report) {
    ladder_.report(report.task.job, report.score, report.loss, {report.is_error, report.is_known});
    decided_.push_back(report);
}

std::optional<Task> GreedyClock::next() {
    if (released_ || is_starved(ladder(), known_)) return std::nullopt;
    const std::optional<Job> job = ladder().next();
    if (!job) return std::nullopt;
    if (limits_work()) begin(*job);
    return Task{.job = *job};
}

void GreedyClock::finish(const Report& report) {
    begin_decisions();
    decide(report);
}

bool GreedyClock::has_task() const { return !released_ && !is_starved(ladder(), known_) && ladder().has_job(); }

void GreedyClock::provide(std::int64_t candidates) {
    check_known(ladder(), known_, candidates);
    begin_decisions();
    known_ = candidates;
}

void GreedyClock::release() {
    begin_decisions();
    released_ = true;
}

bool GreedyClock::starved() const { return !released_ && is_starved(ladder(), known_); }

VirtualClock::VirtualClock(Ladder& ladder, std::int64_t known, int workers, Cost cost, Order order, double work_limit)
    : Clock(ladder, std::move(cost), work_limit), known_(known), order_(order) {
    if (workers < 1) throw std::invalid_argument("workers must be at least 1, not " + std::to_string(workers));
    workers_.resize(static_cast<std::size_t>(workers));
    for (std::int32_t number = 0; number < workers; ++number) idle_.insert(idle_.end(), number);
    employ();
}

std::optional<Task> VirtualClock::next() {
    if (released_ || outstanding_.empty()) return std::nullopt;
    const std::int32_t number = std::get<2>(*outstanding_.begin());
    outstanding_.erase(outstanding_.begin());
    worker(number).running = true;
    return worker(number).report.task;
}

void VirtualClock::finish(const Report& report) {
    if (!is_running(report.task)) throw std::invalid_argument("the task is not running");
    begin_decisions();
    Worker& own = worker(report.task.worker);
    own.report = report;
    own.running = false;
    own.finished = true;
    if (!released_) advance();
}

bool VirtualClock::is_running(const Task& task) const {
    if (task.worker < 0 || task.worker >= std::ssize(workers_)) return false;
    const Worker& own = workers_[static_cast<std::size_t>(task.worker)];
    const auto& [job, worker, start, finish] = own.report.task;
    return own.running && job.candidate == task.job.candidate && job.rung == task.job.rung && finish == task.finish;
}

void VirtualClock::provide(std::int64_t candidates) {
    check_known(ladder(), known_, candidates);
    begin_decisions();
    known_ = candidates;
    if (!released_) advance();
}

// The ladder never receives the results of undecided tasks, so it continues to count these tasks as running.
void VirtualClock::release() {
    begin_decisions();
    released_ = true;
    outstanding_.clear();
}

// Advances virtual time as far as the results allow. While the clock waits for candidates, it employs no worker and
// decides no result, since idle workers must get their jobs before the next result is decided.
void VirtualClock::advance() {
    employ();
    while (!ends_.empty() && !ladder().finished() && !starved()) {
        Worker& first = worker(ends_.begin()->second);
        if (!first.finished) return;
        ends_.erase(ends_.begin());
        now_ = first.report.task.finish;
        decide(first.report);
        idle_.insert(first.report.task.worker);
        employ();
    }
}

void VirtualClock::employ() {
    while (!idle_.empty() && !starved()) {
        const std::optional<Job> job = ladder().next();
        if (!job) return;
        const std::int32_t number = *idle_.begin();
        idle_.erase(idle_.begin());
        const Task task{*job, number, now_, now_ + begin(*job)};
        worker(number) = {.report = {.task = task, .score = 0.0, .loss = 0.0}};
        ends_.emplace(task.finish, number);
        outstanding_.insert(key(task));
    }
}

// Returns whether an idle worker waits for a candidate that is still to be drawn.
bool VirtualClock::starved() const { return !released_ && !idle_.empty() && is_starved(ladder(), known_); }

VirtualClock::Key VirtualClock::key(const Task& task) const {
    switch (order_) {
        case Order::start:
            return {task.start, task.finish, task.worker};
        case Order::rung:
            return {-task.job.rung, task.finish, task.worker};
        case Order::finish:
            break;
    }
    return {task.finish, task.start, task.worker};
}

std::unique_ptr<Clock> make_clock(Schedule schedule, Ladder& ladder, std::int64_t known, int workers, Cost cost,
                                  Order order, double work_limit) {
    check_known(ladder, 0, known);
    if (schedule == Schedule::greedy) return std::make_unique<GreedyClock>(ladder, known, std::move(cost), work_limit);
    return std::make_unique<VirtualClock>(ladder, known, workers, std::move(cost), order, work_limit);
}

}  // namespace ash
