#include "ash/records.hpp"

#include <limits>
#include <utility>

namespace ash {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

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
}

void Records::finished(const JobRecord& record) {
    const std::lock_guard lock(mutex_);
    const EventKind kind = record.diverged ? EventKind::diverged : EventKind::finished;
    const double score = record.diverged ? kNan : record.score;
    events_.push_back({kind, record.job.candidate, record.job.rung, record.end, score});
    jobs_.push_back(record);
}

void Records::count(std::span<const Rung> rungs) {
    const std::lock_guard lock(mutex_);
    rungs_ = counts(rungs);
}

bool Records::would_be_best(const JobRecord& record) const {
    if (record.diverged) return false;
    const std::lock_guard lock(mutex_);
    if (!best_) return true;
    const Entry entry{record.score, record.loss, record.job.candidate};
    const Entry best{best_->score, best_->loss, best_->candidate};
    if (better(entry, best)) return true;
    return !better(best, entry) && record.job.rung < best_->rung;
}

void Records::keep_best(const JobRecord& record, std::shared_ptr<const State> state) {
    const std::lock_guard lock(mutex_);
    best_ = Best{record.job.candidate, record.job.rung, record.score, record.loss, std::move(state)};
}

std::vector<Event> Records::take_events() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
}

std::vector<JobRecord> Records::jobs() const {
    const std::lock_guard lock(mutex_);
    return jobs_;
}

std::optional<Best> Records::best() const {
    const std::lock_guard lock(mutex_);
    return best_;
}

std::vector<RungCounts> Records::rungs() const {
    const std::lock_guard lock(mutex_);
    return rungs_;
}

}  // namespace ash
