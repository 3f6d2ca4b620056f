#include "ash/search/records.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

namespace ash {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Kept to_keep(const JobRecord& record, States states) {
    const Job& job = record.task.job;
    return {job.candidate,       job.rung,       record.score, record.loss, std::move(states),
            record.weights_hash, record.external};
}

}  // namespace

std::vector<RungCounts> counts(std::span<const Rung> rungs) {
    std::vector<RungCounts> all;
    for (const Rung& r : rungs) {
        all.push_back({r.places(), r.epochs(), r.running(), r.finished(), r.promoted(), r.diverged()});
    }
    return all;
}

void Records::started(const Job& job, double seconds) {
    const std::lock_guard lock(mutex_);
    if (job.rung > 0) events_.push_back({EventKind::promoted, job.candidate, job.rung - 1, seconds, kNan});
    events_.push_back({EventKind::started, job.candidate, job.rung, seconds, kNan});
    steps_.push_back({job.candidate, job.rung, false});
}

void Records::finished(const JobRecord& record, double seconds) {
    const std::lock_guard lock(mutex_);
    const Job& job = record.task.job;
    const EventKind kind = record.diverged ? EventKind::diverged : EventKind::finished;
    const double score = record.diverged ? kNan : record.score;
    events_.push_back({kind, job.candidate, job.rung, seconds, score});
    steps_.push_back({job.candidate, job.rung, true});
    jobs_.push_back(record);
}

void Records::assisted(const Assist& assist) {
    const std::lock_guard lock(mutex_);
    assists_.push_back(assist);
    helped_[{assist.job.candidate, assist.job.rung}] += assist.busy;
}

void Records::count(std::span<const Rung> rungs) {
    const std::lock_guard lock(mutex_);
    rungs_ = counts(rungs);
}

void Records::retired(std::span<const std::int32_t> candidates) {
    const std::lock_guard lock(mutex_);
    retired_.insert(retired_.end(), candidates.begin(), candidates.end());
}

bool Records::would_keep(const JobRecord& record) const {
    if (record.diverged) return false;
    const std::lock_guard lock(mutex_);
    return kept_.would_keep(to_keep(record, {}));
}

void Records::keep(const JobRecord& record, States states) {
    States freed;  // destroyed after the lock is released
    const std::lock_guard lock(mutex_);
    freed = kept_.keep(to_keep(record, std::move(states)));
}

void Records::fill(const Kept& kept, States states) {
    const std::lock_guard lock(mutex_);
    kept_.fill(kept, std::move(states));
}

std::vector<std::int32_t> Records::take_retired() {
    const std::lock_guard lock(mutex_);
    return std::exchange(retired_, {});
}

std::vector<Event> Records::take_events() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
}

std::vector<JobRecord> Records::jobs(std::size_t first) const {
    const std::lock_guard lock(mutex_);
    const auto begin = jobs_.begin() + static_cast<std::ptrdiff_t>(std::min(first, jobs_.size()));
    std::vector<JobRecord> jobs(begin, jobs_.end());
    for (JobRecord& record : jobs) {
        record.core_seconds = record.end - record.start;
        const auto found = helped_.find({record.task.job.candidate, record.task.job.rung});
        if (found != helped_.end()) record.core_seconds += found->second;
    }
    return jobs;
}

std::vector<Step> Records::steps(std::size_t first) const {
    const std::lock_guard lock(mutex_);
    return {steps_.begin() + static_cast<std::ptrdiff_t>(std::min(first, steps_.size())), steps_.end()};
}

std::vector<Assist> Records::assists(std::size_t first) const {
    const std::lock_guard lock(mutex_);
    return {assists_.begin() + static_cast<std::ptrdiff_t>(std::min(first, assists_.size())), assists_.end()};
}

std::vector<Kept> Records::kept() const {
    const std::lock_guard lock(mutex_);
    return {kept_.all().begin(), kept_.all().end()};
}

std::vector<RungCounts> Records::rungs() const {
    const std::lock_guard lock(mutex_);
    return rungs_;
}

}  // namespace ash
