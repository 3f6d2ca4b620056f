#include "ash/search/clock.hpp"

#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

namespace ash {

namespace {

// Whether the ladder might ask for a candidate that is not known yet.
bool is_starved(const Ladder& ladder, std::int64_t known) {
    return known < ladder.candidates() && ladder.entered() == known;
}

}  // namespace

std::optional<Task> GreedyClock::next() {
    if (released_ || is_starved(ladder_, known_)) return std::nullopt;
    const std::optional<Job> job = ladder_.next();
    return job ? std::optional(Task{.job = *job}) : std::nullopt;
}

void GreedyClock::finish(const Report& report) {
    begin_decisions();
    ladder_.report(report.task.job, report.score, report.loss);
    add_decision(report);
}

bool GreedyClock::has_task() const { return !released_ && !is_starved(ladder_, known_) && ladder_.has_job(); }

void GreedyClock::provide(std::int64_t candidates) {
    begin_decisions();
    known_ = candidates;
}

void GreedyClock::release() {
    begin_decisions();
    released_ = true;
}

bool GreedyClock::starved() const { return !released_ && is_starved(ladder_, known_); }

bool GreedyClock::finished() const { return ladder_.finished(); }

VirtualClock::VirtualClock(Ladder& ladder, std::int64_t known, int workers, Cost cost, Order order)
    : ladder_(ladder), known_(known), cost_(std::move(cost)), order_(order) {
    if (workers < 1) throw std::invalid_argument("workers must be at least 1, not " + std::to_string(workers));
    workers_.resize(static_cast<std::size_t>(workers));
    for (std::int32_t number = 0; number < workers; ++number) idle_.insert(idle_.end(), number);
    employ();
}

std::optional<Task> VirtualClock::next() {
    if (released_ || outstanding_.empty()) return std::nullopt;
    const std::int32_t number = std::get<2>(*outstanding_.begin());
    outstanding_.erase(outstanding_.begin());
    return worker(number).report.task;
}

void VirtualClock::finish(const Report& report) {
    const auto& [job, number, start, finish] = report.task;
    if (number < 0 || number >= std::ssize(workers_)) throw std::invalid_argument("no such worker");
    Worker& own = worker(number);
    const Task& task = own.report.task;
    if (own.finished || task.job.candidate != job.candidate || task.job.rung != job.rung || task.finish != finish) {
        throw std::invalid_argument("worker " + std::to_string(number) + " has no such task");
    }
    begin_decisions();
    own.report = report;
    own.finished = true;
    if (!released_) {
        advance();
        return;
    }
    ends_.erase({report.task.finish, report.task.worker});
    decide(report);
}

void VirtualClock::provide(std::int64_t candidates) {
    begin_decisions();
    known_ = candidates;
    if (!released_) advance();
}

// Tasks that are never finished stay in ends_, and run in the ladder for ever.
void VirtualClock::release() {
    begin_decisions();
    released_ = true;
    outstanding_.clear();
    for (auto end = ends_.begin(); end != ends_.end();) {
        const Worker& own = worker(end->second);
        if (own.finished) decide(own.report);
        end = own.finished ? ends_.erase(end) : std::next(end);
    }
}

bool VirtualClock::finished() const { return ladder_.finished(); }

// Advances virtual time as far as results reach. A clock that stands still until candidates are provided employs no
// worker and takes no result: idle workers come before the next end.
void VirtualClock::advance() {
    employ();
    while (!ends_.empty() && !ladder_.finished() && !starved()) {
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
        const std::optional<Job> job = ladder_.next();
        if (!job) return;
        const std::int32_t number = *idle_.begin();
        idle_.erase(idle_.begin());
        const Task task{*job, number, now_, now_ + cost_(*job)};
        worker(number) = {.report = {.task = task, .score = 0.0, .loss = 0.0}, .finished = false};
        ends_.emplace(task.finish, number);
        outstanding_.insert(key(task));
    }
}

void VirtualClock::decide(const Report& report) {
    ladder_.report(report.task.job, report.score, report.loss);
    add_decision(report);
}

// An idle worker waits for a candidate that is still to be drawn.
bool VirtualClock::starved() const { return !released_ && !idle_.empty() && is_starved(ladder_, known_); }

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
                                  Order order) {
    if (schedule == Schedule::greedy) return std::make_unique<GreedyClock>(ladder, known);
    return std::make_unique<VirtualClock>(ladder, known, workers, std::move(cost), order);
}

}  // namespace ash
