#include "ash/run/tuner.hpp"

#include <unistd.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "ash/run/retrain.hpp"
#include "ash/train/parallel.hpp"

namespace ash {

namespace {

constexpr double kLongestWait = 1e6;  // seconds; short enough that no clock type overflows

TunerSettings checked(TunerSettings settings, const Candidates& candidates) {
    if (settings.threads < 1) {
        throw std::invalid_argument("threads must be at least 1, not " + std::to_string(settings.threads));
    }
    if (settings.ahead < 0) throw std::invalid_argument("ahead: negative");
    if (settings.cores < 1) settings.cores = settings.threads;
    settings.ladder.candidates = candidates.count();
    return settings;
}

}  // namespace

Tuner::Tuner(std::unique_ptr<Candidates> candidates, const TunerSettings& settings)
    : settings_(checked(settings, *candidates)),
      candidates_(std::move(candidates)),
      seats_(settings_.threads, settings_.cores, settings_.teams, bell_),
      search_({.ladder = settings_.ladder,
               .schedule = settings_.schedule,
               .workers = settings_.workers,
               .work_limit = settings_.work_limit,
               .keep = settings_.keep},
              candidates_->known(), *this) {
    look_for_wants();
}

Tuner::~Tuner() {
    stop();
    join();
}

void Tuner::join() noexcept {
    if (!launcher_.joinable()) return;
    if (is_forked()) {
        static_cast<void>(
            new std::thread(std::move(launcher_)));  // a thread of the parent process can neither be joined nor freed
    } else {
        launcher_.join();
    }
}

bool Tuner::is_forked() const noexcept { return process_ != 0 && process_ != getpid(); }

void Tuner::restore(std::vector<KnownJob> jobs, std::vector<Step> steps, std::span<const Assist> assists,
                    double seconds) {
    if (start_ != std::chrono::steady_clock::time_point()) throw std::logic_error("this tuner was started before");
    before_ = seconds;
    for (const Assist& each : assists) records().assisted(each);
    in_critical_section([&] {
        search_.restore(std::move(jobs), std::move(steps));
        heed();
    });
}

void Tuner::restore_state(std::int32_t candidate, std::int32_t rung, std::vector<State> states) {
    if (start_ != std::chrono::steady_clock::time_point()) throw std::logic_error("this tuner was started before");
    candidates_->restore(candidate, rung, std::move(states));
}

void Tuner::start() {
    if (start_ != std::chrono::steady_clock::time_point()) throw std::logic_error("this tuner was started before");
    threads_ = startable(settings_.threads);
    process_ = getpid();
    start_ = std::chrono::steady_clock::now();
    try {
        if (threads_ == 0) throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
        launcher_ = std::thread([this] { run(); });
    } catch (...) {
        start_ = {};
        throw;
    }
}

bool Tuner::wait(double seconds) {
    if (start_ == std::chrono::steady_clock::time_point()) throw std::logic_error("this tuner was not started");
    if (is_forked()) throw std::logic_error("the run belongs to the process that this one was forked from");
    const std::chrono::duration<double> longest(std::clamp(seconds, 0.0, kLongestWait));
    {
        std::unique_lock lock(mutex_);
        end_.wait_for(lock, longest, [this] { return ended_ || (wanted_ > 0 && !stop_); });
        if (!ended_) return false;
    }
    join();
    if (lacks_room_) throw std::bad_alloc();
    if (failure_) std::rethrow_exception(failure_);
    return true;
}

void Tuner::stop() noexcept {
    stop_ = true;
    if (is_forked()) return;  // this process has no waiting thread, and a mutex locked at the fork stays locked
    candidates_->stop();
    ring();
}

void Tuner::limit(double seconds) {
    bool news = false;
    in_critical_section([&] {
        const bool was_late = search_.is_late();
        limit_ = this->seconds() + seconds;
        news = was_late && !search_.is_late();
    });
    if (news) ring();
}

bool Tuner::is_short_of_time() const {
    bool is_short = false;
    in_critical_section([&] { is_short = search_.is_late(); });
    return is_short;
}

bool Tuner::is_out_of_time() const {
    bool is_out = false;
    in_critical_section([&] { is_out = search_.is_late() && seats_.busy() == 0; });
    return is_out;
}

void Tuner::provide(std::vector<Settings> more) {
    change([&] {
        candidates_->append(std::move(more));
        search_.provide(candidates_->known());
    });
}

MemoryUse Tuner::memory() const {
    MemoryUse memory;
    in_critical_section([&] { memory = candidates_->memory(); });
    return memory;
}

States Tuner::states(std::int32_t candidate, std::int32_t rung) {
    States found;
    in_critical_section([&] { found = candidates_->share(candidate, rung); });
    if (!found.empty()) return found;
    for (const Kept& each : kept()) {
        if (each.candidate == candidate && each.rung == rung) return each.states;
    }
    return {};
}

void Tuner::complete(int most, const std::function<bool()>& stop) {
    std::vector<Kept> missing = without_states(kept());
    missing.resize(std::min(missing.size(), static_cast<std::size_t>(most)));
    std::vector<RetrainJob> jobs;
    for (const Kept& each : missing) {
        const std::int64_t epochs = search_.rungs()[static_cast<std::size_t>(each.rung)].epochs();
        for (RetrainJob& job : candidates_->retraining({each.candidate, each.rung, epochs})) {
            jobs.push_back(std::move(job));
        }
    }
    const auto fill_done = [&] {
        auto job = jobs.begin();
        for (const Kept& each : missing) {
            std::vector<State> states;
            for (int fold = 0; fold < candidates_->folds(); ++fold, ++job) {
                if (!job->outcome.stopped) states.push_back(std::move(job->state));
            }
            if (std::ssize(states) != candidates_->folds()) continue;
            for (const State& state : states) candidates_->count_retrained(state.epochs);
            fill(each.candidate, each.rung, std::move(states));
        }
    };
    try {
        retrain(jobs, std::min(settings_.threads, settings_.cores), stop);
    } catch (...) {
        fill_done();
        throw;
    }
    fill_done();
}

void Tuner::fill(std::int32_t candidate, std::int32_t rung, std::vector<State> states) {
    for (const Kept& each : without_states(kept())) {
        if (each.candidate != candidate || each.rung != rung) continue;
        records().fill(each, candidates_->checked({candidate, rung, 0}, each.weights_hash, std::move(states)));
        return;
    }
}

Ending Tuner::ending() const {
    Ending ending = Ending::none;
    in_critical_section([&] { ending = search_.ending(); });
    return ending;
}

void Tuner::run() noexcept {
    lacks_room_ = !has_room();
    if (!lacks_room_) work_all();
    const std::lock_guard lock(mutex_);
    ended_ = true;
    end_.notify_all();
}

void Tuner::work_all() noexcept {
    try {
        parallel(threads_, [this](int thread) { work(thread); }, [this] { stop(); });
        if (ending() == Ending::none) change([this] { search_.release(); });
    } catch (...) {
        failure_ = std::current_exception();
    }
}

void Tuner::work(int thread) {
    Done done;
    for (;;) {
        const Decision decision = decide(thread, done);
        if (decision.finished || stop_) return;
        done = {};
        if (decision.task) {
            done = train(thread, *decision.task);
        } else if (decision.help) {
            done = help(thread, *decision.help);
        } else {
            bell_.wait(decision.bell);
        }
    }
}

Tuner::Decision Tuner::decide(int thread, const Done& done) {
    Decision decision;
    bool news = false;  // whether idle threads must look for work again
    in_critical_section([&] {
        collect(thread, done);
        decision.task = search_.next();
        if (decision.task) assign(thread, *decision.task);
        heed();
        decision.bell = bell_;
        if (!decision.task && !stop_) decision.help = seats_.invite(decision.bell);
        decision.finished = search_.finished();
        news = search_.has_task() || decision.finished || seats_.is_open(thread);
    });
    if (news) ring();
    return decision;
}

// Reports the job that the thread has completed, or registers its help with a job, since its last decision. `done` is
// empty if the thread neither completed a job nor helped.
void Tuner::collect(int thread, const Done& done) {
    const int team_limit = seats_.team_limit(thread);
    seats_.rise(thread);
    if (done.helped) seats_.helped(*done.helped);
    if (done.assist) records().assisted(*done.assist);
    if (!done.record) return;
    JobRecord record = *done.record;
    record.team_limit = team_limit;
    const double cost = record.task.finish - record.task.start;
    paced_seconds_ += record.end - record.start;
    paced_cost_ += cost;
    if (cost > 0.0) pace_[record.task.job.candidate] = (record.end - record.start) / cost;
    search_.finish(record);
}

void Tuner::assign(int thread, const Task& task) {
    seats_.sit(
        thread, task, candidates_->cost(task.job), candidates_->step_cost(task.job.candidate),
        [](void* self) { static_cast<Tuner*>(self)->ring(); }, this);
}

void Tuner::replayed(JobRecord& record, const KnownJob& known) {
    record.external = candidates_->is_external(record.task.job.candidate);
    candidates_->replay(record.task.job, known.fold_scores);
}

void Tuner::wait(const Report& report) {
    candidates_->wait(report.task.job.candidate, report.task.job.rung, report.score, report.loss);
}

void Tuner::retire(std::int32_t candidate) {
    candidates_->retire(candidate);
    pace_.erase(candidate);
}

// Calls `change`, which changes the search, in the critical section. Then wakes the idle threads. Not used by threads
// in work(), for which decide() does the same.
void Tuner::change(const std::function<void()>& change) {
    in_critical_section([&] {
        change();
        heed();
    });
    ring();
}

// Stops the threads if the search is cut, and asks for candidates. REQUIRES: the search may have changed.
void Tuner::heed() {
    look_for_wants();
    if (!search_.is_cut() || stop_) return;
    stop_ = true;
    candidates_->stop();
}

std::vector<JobRecord> Tuner::held() const {
    std::vector<JobRecord> held;
    in_critical_section([&] { held = search_.held(); });
    return held;
}

void Tuner::look_for_wants() {
    const std::int64_t known = candidates_->known();
    const std::int64_t room = candidates_->count() - known;
    const bool short_of = settings_.ahead > 0 ? search_.entered() + settings_.ahead > known : search_.is_starved();
    const std::int64_t wanted = short_of ? std::min(std::max(settings_.ahead, std::int64_t{1}), room) : 0;
    if (wanted == wanted_) return;
    const std::lock_guard lock(mutex_);
    wanted_ = wanted;
    if (wanted > 0) end_.notify_all();
}

// Returns whether the task would end after the deadline. Its duration is estimated from the pace (seconds per
// multiply-add) of its candidate's last job or, for a new candidate, from the average pace so far. No task is late
// until a job has ended.
bool Tuner::is_late(const Task& task) const {
    const double cost = task.finish - task.start;  // 0 with a greedy clock
    const auto own = pace_.find(task.job.candidate);
    const double pace = own != pace_.end() ? own->second : paced_cost_ > 0.0 ? paced_seconds_ / paced_cost_ : 0.0;
    return cost > 0.0 && pace > 0.0 && seconds() + pace * cost > limit_;
}

Tuner::Done Tuner::train(int thread, const Task& task) {
    Team& team = seats_.team(thread);
    const double start = seconds();
    const Result result = candidates_->train(task.job, thread, team, stop_);
    team.close();
    if (result.stopped) return {};
    const double end = seconds();
    const JobRecord record{.task = task,
                           .thread = result.thread < 0 ? thread : result.thread,
                           .score = result.score,
                           .loss = result.loss,
                           .training_loss = result.training_loss,
                           .weights_hash = result.weights_hash,
                           .start = result.seconds < 0.0 ? start : std::max(start, end - result.seconds),
                           .end = end,
                           .team = team.largest(),
                           .diverged = is_diverged(result.score, result.loss),
                           .external = candidates_->is_external(task.job.candidate)};
    return {.record = record};
}

Tuner::Done Tuner::help(int thread, const Invited& invited) {
    const double start = seconds();
    Team& team = seats_.team(invited.owner);
    const Team::Help help = candidates_->help(invited.job.candidate, thread, team, invited.invitation);
    Done done{.helped = invited.owner};
    if (help.blocks > 0) done.assist = Assist{invited.job, thread, start, seconds(), help.seconds};
    return done;
}

// Makes all threads without a job look for a job again.
void Tuner::ring() noexcept {
    ++bell_;
    bell_.notify_all();
    seats_.wake();
}

double Tuner::seconds() const {
    if (start_ == std::chrono::steady_clock::time_point()) return before_;
    return before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

}  // namespace ash
