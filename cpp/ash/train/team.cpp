#include "ash/train/team.hpp"

#include <algorithm>

#include "ash/train/denormals.hpp"

namespace ash {
namespace {

constexpr double kSpin = 50e-6;    // seconds for which a thread spins before it sleeps
constexpr double kStall = 500e-6;  // seconds by which a wait must exceed an unshared step to cause a pause
constexpr double kTrial = 1e-3;    // minimum seconds of shared steps before a team is judged
constexpr int kTrialSteps = 6;     // minimum number of shared steps before a team is judged
constexpr int kColdSteps = 2;  // number of shared steps at the start of a trial that are skipped, since caches are cold
constexpr double kGain = 1.05;       // minimum speed-up that keeps a team open
constexpr int kStepsAlone = 2;       // number of steps at the start of a job that are timed but not shared
constexpr double kPauseSteps = 100;  // minimum length of a pause in steps, so that trials are rare
constexpr int kLooks = 32;           // number of tests between two clock readings while a thread spins

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Tests a condition for up to kSpin seconds. Returns whether it became true.
template <typename Condition>
bool spin_until(Condition condition) {
    const double start = now_seconds();
    do {
        for (int look = 0; look < kLooks; ++look) {
            if (condition()) return true;
            relax();
        }
    } while (now_seconds() - start < kSpin);
    return false;
}

}  // namespace

void Team::open(int most_members, void (*ring)(void*), void* ringer) {
    ring_ = ring;
    ringer_ = ringer;
    largest_ = 1;
    step_start_ = 0.0;
    alone_steps_ = 0;
    begin_trial();
    most_members_ = most_members;
    left_ = 1.0;
    ticket_ = pack(++job_, 0);
    if (most_members > 0 && !pauses_.active() && !pauses_.had_core()) pauses_.begin(0.0);
    pauses_.start_watch();
    open_ = most_members > 0 && !pauses_.active();
}

void Team::close() {
    if (!pauses_.active()) pauses_.end_watch();
    open_ = false;
    ticket_ = pack(++job_, 0);
    wake();
}

bool Team::look(bool whole) {
    const double now = now_seconds();
    if (step_start_ > 0.0) note_step(now - step_start_);
    if (pauses_.active()) look_after_pause();
    sharing_ = alone_steps_ >= kStepsAlone && members_ > 0;
    step_start_ = whole ? now : 0.0;
    return sharing_;
}

// Records the time of the step that has just ended.
void Team::note_step(double seconds) {
    if (!sharing_) {
        alone_ = alone_steps_ == 0 ? seconds : std::min(alone_, seconds);
        ++alone_steps_;
        return;
    }
    if (++shared_steps_ > 0) shared_ += seconds;
    if (shared_ < kTrial || shared_steps_ < kTrialSteps) return;
    const bool pays = kGain * shared_ < alone_ * shared_steps_;
    shared_ = 0.0;
    shared_steps_ = 0;
    if (!pays) pause();
}

void Team::run(int blocks, Workspace& own) {
    largest_ = std::max(largest_, size());
    done_.store(0, std::memory_order_relaxed);
    ticket_ = pack(job_, blocks);
    if (sleepers_ > 0) wake();
    work(job_, own);
    if (done_ != blocks) await(blocks);
}

// Runs all blocks that this thread can claim, and returns their number. Each block is reported when it is done, so a
// thread suspended between two blocks delays no other thread.
std::int64_t Team::work(std::uint32_t job, Workspace& scratch) {
    std::int64_t blocks = 0;
    std::uint64_t ticket = ticket_.load();
    while (job_of(ticket) == job && has_block(ticket)) {
        if (!ticket_.compare_exchange_weak(ticket, ticket + 1)) continue;
        function_(context_, next_of(ticket), scratch);
        if (done_.fetch_add(1) + 1 == blocks_of(ticket)) done_.notify_one();
        ++blocks;
        ticket = ticket_.load();
    }
    return blocks;
}

// Waits until the blocks claimed by members are done.
void Team::await(int blocks) {
    if (spin_until([&] { return done_ == blocks; })) return;
    const double start = now_seconds();
    for (int done = done_; done != blocks; done = done_) done_.wait(done);
    const double seconds = now_seconds() - start;
    pauses_.slept(seconds);
    if (seconds > alone_ + kStall) pause();
}

void Team::pause() {
    if (pauses_.active()) return;
    pauses_.begin(kPauseSteps * alone_);
    open_ = false;
    wake();
}

void Team::begin_trial() {
    shared_ = 0.0;
    shared_steps_ = -kColdSteps;
}

void Team::look_after_pause() {
    pauses_.end_when_due();
    if (pauses_.active()) return;
    begin_trial();
    open_ = true;
    ring_(ringer_);
}

Team::Help Team::help(const Invitation& invitation, Workspace& scratch) {
    const FlushDenormals flush;  // the owner flushes denormals as well
    Help help;
    ++members_;
    while (!is_over(invitation)) {
        const double start = now_seconds();
        const std::int64_t blocks = work(invitation.job, scratch);
        if (blocks == 0) {
            rest(invitation);
            continue;
        }
        help.blocks += blocks;
        help.seconds += now_seconds() - start;
    }
    --members_;
    return help;
}

bool Team::is_over(const Invitation& invitation) const {
    return !open_ || bell_ != invitation.bell || job_of(ticket_) != invitation.job;
}

// Waits until there may be a block to claim, or this member must stop helping on this invitation.
void Team::rest(const Invitation& invitation) {
    const auto awake = [&] { return has_block(ticket_) || is_over(invitation); };
    if (spin_until(awake)) return;
    ++sleepers_;
    const std::uint32_t signal = signal_;
    if (!awake()) signal_.wait(signal);
    --sleepers_;
}

void Team::wake() {
    if (sleepers_ == 0) return;
    ++signal_;
    signal_.notify_all();
}

}  // namespace ash
