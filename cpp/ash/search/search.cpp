#include "ash/search/search.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace ash {

namespace {

int checked_keep(int keep) {
    if (keep < 1) throw std::invalid_argument("keep must be at least 1, not " + std::to_string(keep));
    return keep;
}

Report report_of(const JobRecord& record, bool is_known) {
    return {.task = record.task,
            .score = record.score,
            .loss = record.loss,
            .is_error = record.diverged && !record.pruned,
            .is_known = is_known};
}

}  // namespace

Search::Search(const SearchSettings& settings, std::int64_t known, Owner& owner)
    : owner_(owner),
      ladder_(settings.ladder),
      clock_(make_clock(
          settings.schedule, ladder_, known, settings.workers, [this](const Job& job) { return owner_.cost(job); },
          Order::finish, settings.work_limit)),
      hooks_{.given = [this](const Task& task) { records_.started(task.job, owner_.seconds()); },
             .replay = [this](const Task& task, const KnownJob& known_job) { replay(task, known_job); },
             .is_over = [this] { return ladder_.is_cut() || owner_.is_over(); },
             .is_late = [this](const Task& task) { return owner_.is_late(task); }},
      replay_(settings.schedule == Schedule::greedy),
      records_(checked_keep(settings.keep)) {
    records_.count(ladder_.rungs());
}

void Search::restore(std::vector<KnownJob> jobs, std::vector<Step> steps) {
    replay_.add(std::move(jobs), std::move(steps));
    replay_.advance(*clock_, hooks_);
}

std::optional<Task> Search::next() { return replay_.next(*clock_, hooks_); }

void Search::finish(const JobRecord& record) {
    const auto [place, is_new] = held_.emplace(record.task.job.candidate, record);
    try {
        clock_->finish(report_of(record, false));
    } catch (...) {
        if (is_new) held_.erase(place);
        throw;
    }
    settle();
}

void Search::provide(std::int64_t known) {
    clock_->provide(known);
    settle();
    replay_.advance(*clock_, hooks_);
}

void Search::release() {
    clock_->release();
    settle();
}

std::vector<JobRecord> Search::held() const {
    std::vector<JobRecord> held;
    held.reserve(held_.size());
    for (const auto& [candidate, record] : held_) held.push_back(record);
    std::ranges::sort(held, {}, [](const JobRecord& each) { return each.task.job.candidate; });
    return held;
}

void Search::replay(const Task& task, const KnownJob& known) {
    JobRecord record = known.record;
    record.task = task;
    owner_.replayed(record, known);
    held_.emplace(task.job.candidate, record);
    clock_->finish(report_of(record, true));
    settle();
}

// Records the decisions that the clock made in its last call, in order. Then tells the owner which of their candidates
// have retired, and which wait. REQUIRES: the clock has just been called.
void Search::settle() {
    for (const Report& report : clock_->decided()) record(report);
    std::vector<std::int32_t> retired = ladder_.take_retired();
    for (const std::int32_t candidate : retired) owner_.retire(candidate);
    if (!retired.empty()) records_.retired(retired);
    std::ranges::sort(retired);
    for (const Report& report : clock_->decided()) {
        if (!std::ranges::binary_search(retired, report.task.job.candidate)) owner_.wait(report);
    }
    records_.count(ladder_.rungs());
}

void Search::record(const Report& report) {
    const auto held = held_.find(report.task.job.candidate);
    const JobRecord record = held->second;
    held_.erase(held);
    records_.finished(record, owner_.seconds());
    if (records_.would_keep(record)) records_.keep(record, owner_.publish(report.task.job.candidate));
}

}  // namespace ash
