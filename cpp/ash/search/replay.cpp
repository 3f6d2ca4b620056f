#include "ash/search/replay.hpp"

#include <algorithm>

namespace ash {

void History::add(std::vector<KnownJob> jobs) {
    for (KnownJob& each : jobs) known_.insert_or_assign(key(each.record.task.job), std::move(each));
}

void History::catch_up(Clock& clock, const Owner& owner) {
    while (!known_.empty() && !owner.is_over()) {
        const std::optional<Task> task = take(clock, owner);
        if (!task) return;
        const auto known = known_.extract(key(task->job));
        if (known.empty()) {
            again_.push_back(*task);
        } else {
            owner.recall(*task, known.mapped());
        }
    }
}

void History::retrace(std::span<const Step> steps, Clock& clock, const Owner& owner) {
    for (const auto& [candidate, rung, finished] : steps) {
        if (owner.is_over()) return;
        const Key wanted{candidate, rung};
        if (finished) {
            const auto running =
                std::ranges::find_if(again_, [&](const Task& each) { return key(each.job) == wanted; });
            auto known = known_.extract(wanted);
            if (running == again_.end() || known.empty()) return;
            const Task task = *running;
            again_.erase(running);
            owner.recall(task, known.mapped());
        } else {
            const std::optional<Task> task = take(clock, owner);
            if (!task) return;
            again_.push_back(*task);
            if (key(task->job) != wanted) return;
        }
    }
}

std::optional<Task> History::next(Clock& clock, const Owner& owner) {
    while (!owner.is_over()) {
        std::optional<Task> task;
        if (again_.empty()) {
            task = take(clock, owner);
        } else {
            task = again_.front();
            again_.erase(again_.begin());
        }
        if (!task) return std::nullopt;
        const auto known = known_.extract(key(task->job));
        if (known.empty()) return task;
        owner.recall(*task, known.mapped());
    }
    return std::nullopt;
}

std::optional<Task> History::take(Clock& clock, const Owner& owner) {
    std::optional<Task> task = clock.next();
    if (task) owner.given(*task);
    return task;
}

}  // namespace ash
