#include "ash/search/replay.hpp"

#include <algorithm>

namespace ash {

void Replay::add(std::vector<KnownJob> jobs, std::vector<Step> steps) {
    for (KnownJob& each : jobs) known_.insert_or_assign(key(each.record.task.job), std::move(each));
    if (is_greedy_) steps_ = std::move(steps);
}

void Replay::advance(Clock& clock, const Owner& owner) {
    while (step_ < steps_.size() && !owner.is_over()) {
        if (retrace(steps_[step_], clock, owner)) {
            ++step_;
        } else if (clock.starved()) {
            return;
        } else {
            steps_.clear();
        }
    }
    while (!is_greedy_ && !known_.empty() && !owner.is_over()) {
        const std::optional<Task> task = ask(clock, owner);
        if (!task) return;
        const auto known = known_.extract(key(task->job));
        if (known.empty()) {
            again_.push_back(*task);
        } else {
            owner.replay(*task, known.mapped());
        }
    }
}

// Repeats a step; returns whether the clock took the same step.
bool Replay::retrace(const Step& step, Clock& clock, const Owner& owner) {
    const Key wanted{step.candidate, step.rung};
    if (step.finished) {
        const auto running = std::ranges::find_if(again_, [&](const Task& each) { return key(each.job) == wanted; });
        if (running == again_.end() || !known_.contains(wanted)) return false;
        const Task task = *running;
        again_.erase(running);
        owner.replay(task, known_.extract(wanted).mapped());
        return true;
    }
    const std::optional<Task> task = ask(clock, owner);
    if (task) again_.push_back(*task);
    return task && key(task->job) == wanted;
}

std::optional<Task> Replay::next(Clock& clock, const Owner& owner) {
    while (!owner.is_over()) {
        std::optional<Task> task;
        if (again_.empty()) {
            task = ask(clock, owner);
        } else {
            task = again_.front();
            again_.erase(again_.begin());
        }
        if (!task) return std::nullopt;
        const auto known = known_.extract(key(task->job));
        if (!known.empty()) {
            owner.replay(*task, known.mapped());
        } else if (owner.is_late(*task)) {
            again_.insert(again_.begin(), *task);
            return std::nullopt;
        } else {
            return task;
        }
    }
    return std::nullopt;
}

bool Replay::has_task(const Clock& clock, const Owner& owner) const {
    return again_.empty() ? clock.has_task() : !is_late(owner);
}

bool Replay::is_late(const Owner& owner) const {
    return !again_.empty() && !known_.contains(key(again_.front().job)) && owner.is_late(again_.front());
}

std::optional<Task> Replay::ask(Clock& clock, const Owner& owner) {
    std::optional<Task> task = clock.next();
    if (task) owner.given(*task);
    return task;
}

}  // namespace ash
