#include "ash/tuner.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "ash/parallel.hpp"

namespace ash {

namespace {

constexpr double kLongestWait = 1e6;  // seconds; what a clock can surely count

LadderSettings with_candidates(LadderSettings settings, const Candidates& candidates) {
    settings.candidates = candidates.count();
    return settings;
}

int checked(int threads) {
    if (threads < 1) throw std::invalid_argument("threads must be at least 1, not " + std::to_string(threads));
    return threads;
}

}  // namespace

Tuner::Tuner(std::unique_ptr<Candidates> candidates, LadderSettings ladder, int threads)
    : threads_(checked(threads)), candidates_(std::move(candidates)), ladder_(with_candidates(ladder, *candidates_)) {
    records_.count(ladder_.rungs());
}

Tuner::~Tuner() {
    stop();
    if (launcher_.joinable()) launcher_.join();
}

void Tuner::start() {
    if (start_ != std::chrono::steady_clock::time_point()) throw std::logic_error("this tuner was started before");
    start_ = std::chrono::steady_clock::now();
    launcher_ = std::thread([this] { run(); });
}

bool Tuner::wait(double seconds) {
    if (start_ == std::chrono::steady_clock::time_point()) throw std::logic_error("this tuner was not started");
    const std::chrono::duration<double> longest(std::clamp(seconds, 0.0, kLongestWait));
    {
        std::unique_lock lock(mutex_);
        if (!end_.wait_for(lock, longest, [this] { return ended_; })) return false;
    }
    if (launcher_.joinable()) launcher_.join();
    if (failure_) std::rethrow_exception(failure_);
    return true;
}

void Tuner::stop() noexcept {
    stop_ = true;
    ++changes_;
    changes_.notify_all();
}

void Tuner::run() noexcept {
    try {
        parallel(threads_, [this](int thread) { work(thread); }, [this] { stop(); });
    } catch (...) {
        failure_ = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    end_.notify_all();
}

void Tuner::work(int thread) {
    std::optional<JobRecord> ended;
    for (;;) {
        const Decision decision = decide(thread, ended);
        if (decision.finished || stop_) return;
        ended.reset();
        if (decision.job) {
            ended = train(*decision.job, thread);
        } else {
            changes_.wait(decision.changes);
        }
    }
}

Tuner::Decision Tuner::decide(int thread, const std::optional<JobRecord>& ended) {
    Decision decision;
    in_critical_section([&] {
        if (ended) settle(*ended);
        if (!stop_) decision.job = clock_.next(thread);
        if (decision.job) records_.started(*decision.job, seconds());
        records_.count(ladder_.rungs());
        decision.changes = changes_;
        decision.finished = clock_.finished();
    });
    if (ended) changes_.notify_all();
    return decision;
}

void Tuner::settle(const JobRecord& record) {
    const Job& job = record.job;
    records_.finished(record);
    if (records_.would_be_best(record)) records_.keep_best(record, candidates_->publish(job.candidate));
    const bool highest = job.rung + 1 == std::ssize(ladder_.rungs());
    candidates_->settle(job.candidate, !record.diverged && !highest);
    clock_.finish(record.thread, job, record.score, record.loss);
    ++changes_;
}

std::optional<JobRecord> Tuner::train(const Job& job, int thread) {
    const double start = seconds();
    const Result result = candidates_->train(job, thread, stop_);
    if (result.stopped) return std::nullopt;
    return JobRecord{.job = job,
                     .thread = thread,
                     .score = result.score,
                     .loss = result.loss,
                     .training_loss = result.training_loss,
                     .start = start,
                     .end = seconds(),
                     .diverged = is_diverged(result.score, result.loss)};
}

double Tuner::seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

}  // namespace ash
