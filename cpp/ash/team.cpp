#include "ash/team.hpp"

#include <algorithm>

namespace ash {
namespace {

constexpr double kSpin = 50e-6;    // seconds before a thread goes to sleep
constexpr double kStall = 500e-6;  // seconds beyond what the loop takes alone: a member has been put aside
constexpr double kTrial = 1e-3;    // seconds of loops after which a team is judged
constexpr double kGain = 1.1;      // that it must bring to go on
constexpr int kLooks = 32;         // between two looks at the clock while a thread spins

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Looks at a condition for kSpin seconds; whether it came true.
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
    loops_ = 0.0;
    alone_ = 0.0;
    most_members_ = most_members;
    left_ = 1.0;
    ticket_ = pack(++job_, 0);
    if (most_members > 0 && !pauses_.active() && !pauses_.had_core()) pauses_.begin();
    if (!pauses_.active()) pauses_.start_watch();
    open_ = most_members > 0 && !pauses_.active();
}

void Team::close() {
    if (!pauses_.active()) pauses_.end_watch();
    open_ = false;
    ticket_ = pack(++job_, 0);
    recall();
}

void Team::run(int blocks, Workspace& own) {
    const double start = now_seconds();
    largest_ = std::max(largest_, size());
    done_.store(0, std::memory_order_relaxed);
    ticket_ = pack(job_, blocks);
    if (sleepers_ > 0) recall();
    const int mine = work(job_, own);
    const double worked = now_seconds() - start;
    if (done_.fetch_add(mine) + mine != blocks) await(blocks);
    if (mine < blocks) judge(now_seconds() - start, mine > 0 ? worked * blocks / mine : 0.0);
}

// As many blocks as are to be had; how many that were.
int Team::work(std::uint32_t job, Workspace& scratch) {
    int blocks = 0;
    std::uint64_t ticket = ticket_.load();
    while (job_of(ticket) == job && has_block(ticket)) {
        if (!ticket_.compare_exchange_weak(ticket, ticket + 1)) continue;
        function_(context_, next_of(ticket), scratch);
        ++blocks;
        ticket = ticket_.load();
    }
    return blocks;
}

// Until the blocks that others have claimed are done.
void Team::await(int blocks) {
    if (spin_until([&] { return done_ == blocks; })) return;
    const double start = now_seconds();
    for (int done = done_; done != blocks; done = done_) done_.wait(done);
    pauses_.slept(now_seconds() - start);
}

// loop: seconds that a loop took; alone: that the owner would have needed, by the blocks that it has run; 0: none.
void Team::judge(double loop, double alone) {
    if (alone > 0.0) loops_ += loop;
    alone_ += alone;
    const bool stalled = loop > alone + kStall;
    if (!stalled && loops_ < kTrial) return;
    const bool pays = !stalled && alone_ > kGain * loops_;
    loops_ = 0.0;
    alone_ = 0.0;
    if (!pays) pause();
}

void Team::pause() {
    pauses_.begin();
    open_ = false;
    recall();
}

void Team::look_after_pause() {
    pauses_.end_when_due();
    if (pauses_.active()) return;
    open_ = true;
    ring_(ringer_);
}

std::int64_t Team::help(const Invitation& invitation, Workspace& scratch) {
    std::int64_t all = 0;
    ++members_;
    while (!is_over(invitation)) {
        const int blocks = work(invitation.job, scratch);
        if (blocks == 0) {
            rest(invitation);
        } else {
            all += blocks;
            done_.fetch_add(blocks);
            done_.notify_one();
        }
    }
    --members_;
    return all;
}

bool Team::is_over(const Invitation& invitation) const {
    return !open_ || bell_ != invitation.bell || job_of(ticket_) != invitation.job;
}

// Until there may be a block, or it is over.
void Team::rest(const Invitation& invitation) {
    const auto awake = [&] { return has_block(ticket_) || is_over(invitation); };
    if (spin_until(awake)) return;
    ++sleepers_;
    const std::uint32_t signal = signal_;
    if (!awake()) signal_.wait(signal);
    --sleepers_;
}

void Team::recall() {
    if (sleepers_ == 0) return;
    ++signal_;
    signal_.notify_all();
}

}  // namespace ash
