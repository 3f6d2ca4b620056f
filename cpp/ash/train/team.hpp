// team.hpp: lets threads share a running job. The job's loops run over blocks; threads may join or leave at any time.
//
//     owner: the thread that runs the job         members: threads without a job, invited by the tuner
//       share(blocks, body):                        help(invitation, scratch):
//         publish  ticket = {job, blocks, next = 0}   claim   block `next`, by raising `next` by 1 (compare-exchange)
//         claim and run blocks, as members do         run     body(block, scratch), then raise done by 1
//         wait until done = blocks                    rest    while there is no block to claim: spin, then sleep
//                                                     leave   when the bell rang, the job ended or the team closed
//
// Only the owner runs the sequence of steps. A loop is one half of a step (trainer.hpp), so a step has two barriers. A
// ticket counts up to 65,535 blocks; a loop with more blocks is run in parts. A member contributes only time and
// scratch memory, so results do not depend on which thread runs a block.
//
// Invariants:  (1) each block runs exactly once, and share() returns only after all blocks have run, so outside of
//                  share() only the owner touches the job;
//              (2) a member can claim only blocks of the job that it was invited to. The ticket holds the job number,
//                  which recurs only after 2^31 jobs of that owner;
//              (3) the owner waits only for members that have claimed a block;
//              (4) no wake-up is lost: before a member sleeps, it counts itself in sleepers_ and then reads ticket_,
//                  the bell and open_ once more. A thread that changes one of these three reads sleepers_ afterwards.
//                  All these accesses are sequentially consistent.
// Pauses:      a step is not shared if its threads would have too little work (most_members() is 0) or if it is one of
//              the first two steps of a job. Sharing also pauses for a while after a member was delayed, after sharing
//              gained too little, or after the owner had to share its core (pauses.hpp; DESIGN.md, "Teams"). Pauses
//              change no result.
// Threads:     only the owner calls the functions "for the owner" below; any thread may call the others. All threads
//              write the atomics ticket_, done_, signal_, sleepers_ and members_. Only the owner writes open_,
//              most_members_ and left_. The owner writes function_ and context_ before the ticket, and members of the
//              team read them after a claim. All threads read the bell. Only the owner accesses the remaining fields.
// Cost:        without members, one relaxed load per step, and a clock reading if the job may have members. With
//              members, threads wait a few microseconds per step for each other, and cache lines move between cores.
//              Waits and moves together take up to a fifth of the time (bench/kernels/teams.py).

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "ash/train/pauses.hpp"

namespace ash {

struct Workspace;

class Team {  // NOLINT(clang-analyzer-optin.performance.Padding): shared fields have separate cache lines
  public:
    struct Invitation {
        std::uint32_t job = 0;   // number of the owner's job
        std::uint32_t bell = 0;  // value of the bell, read before the member looked for other work
    };

    struct Help {
        std::int64_t blocks = 0;  // number of blocks that the member has run
        double seconds = 0.0;     // seconds spent running blocks, without waiting
    };

    // bell: rung whenever a member may find something better to do than to help. A thread rings the bell by changing
    // its value and then calling wake() for all teams.
    explicit Team(const std::atomic<std::uint32_t>& bell) : bell_(bell) {}

    // --- For the owner.

    // Starts a job that up to most_members other threads may share at once. ring(ringer): called by the owner when the
    // team reopens after a pause, so that idle threads look for a team to help.
    void open(int most_members, void (*ring)(void*), void* ringer);
    void close();

    // Returns whether to share the next step. A step is shared if the team has a member and two unshared steps of the
    // job have already been timed. Call joined() once per step; the step is timed until the next call. whole: whether
    // the step is as large as the other steps of this job; smaller steps are not timed.
    bool joined(bool whole) { return most_members() > 0 && look(whole); }

    // Sets the share of the job that remains, 0 to 1. Idle threads use it to choose the team to help.
    void set_left(double share) { left_.store(share, std::memory_order_relaxed); }
    // Returns the number of threads in the team, including the owner.
    int size() const { return 1 + members_.load(std::memory_order_relaxed); }

    // Calls body(block, scratch) for all blocks, in any order, on any thread of the team. body must not throw. own: the
    // owner's scratch.
    template <typename Body>
    void share(int blocks, Workspace& own, Body&& body) {
        int first = 0;  // first block of the current part
        auto from_first = [&](int block, Workspace& scratch) { body(first + block, scratch); };
        context_ = &from_first;
        function_ = [](void* context, int block, Workspace& scratch) noexcept {
            (*static_cast<decltype(from_first)*>(context))(block, scratch);
        };
        for (int part = 0; first < blocks; first += part) {
            part = std::min(blocks - first, kMostBlocks);
            run(part, own);
        }
    }

    // Returns the largest number of threads that have shared a loop of this job at once.
    int largest() const { return largest_; }

    // --- For other threads.

    // Returns an invitation for a thread that has found nothing else to do. bell: the value that the thread read before
    // it looked for work. REQUIRES: is_open().
    Invitation invitation(std::uint32_t bell) const { return {job_of(ticket_.load()), bell}; }
    bool is_open() const { return open_.load(); }
    int most_members() const { return most_members_.load(std::memory_order_relaxed); }
    double left() const { return left_.load(std::memory_order_relaxed); }

    // Works on the job of the invitation until the job ends, the team closes or the bell rings.
    Help help(const Invitation& invitation, Workspace& scratch);

    // Wakes sleeping members so that they read the bell.
    void wake();

  private:
    using Function = void (*)(void* context, int block, Workspace& scratch) noexcept;

    static constexpr int kCountBits = 16;
    static constexpr int kMostBlocks = (1 << kCountBits) - 1;  // maximum number of blocks per ticket

    // REQUIRES: 0 <= blocks <= kMostBlocks.
    static std::uint64_t pack(std::uint32_t job, int blocks) {
        return (std::uint64_t{job} << (2 * kCountBits)) | (static_cast<std::uint64_t>(blocks) << kCountBits);
    }
    static std::uint32_t job_of(std::uint64_t ticket) { return static_cast<std::uint32_t>(ticket >> (2 * kCountBits)); }
    static int blocks_of(std::uint64_t ticket) { return static_cast<int>((ticket >> kCountBits) & kMostBlocks); }
    static int next_of(std::uint64_t ticket) { return static_cast<int>(ticket & kMostBlocks); }
    static bool has_block(std::uint64_t ticket) { return next_of(ticket) < blocks_of(ticket); }

    void run(int blocks, Workspace& own);
    std::int64_t work(std::uint32_t job, Workspace& scratch);
    void await(int blocks);
    bool look(bool whole);
    void note_step(double seconds);
    void begin_trial();
    void pause();
    void look_after_pause();
    bool is_over(const Invitation& invitation) const;
    void rest(const Invitation& invitation);

    alignas(64) std::atomic<std::uint64_t> ticket_{0};  // {job, blocks, next block}
    alignas(64) std::atomic<int> done_{0};              // number of finished blocks of the current ticket
    alignas(64) std::atomic<std::uint32_t> signal_{0};  // changes when sleepers must check their conditions
    std::atomic<int> sleepers_{0};
    std::atomic<int> members_{0};  // number of threads that are in help()
    std::atomic<bool> open_{false};
    Function function_ = nullptr;
    void* context_ = nullptr;

    alignas(64) const std::atomic<std::uint32_t>& bell_;
    std::atomic<int> most_members_{0};
    std::atomic<double> left_{1.0};
    std::uint32_t job_ = 0;
    int largest_ = 1;
    Pauses pauses_;
    bool sharing_ = false;     // whether the current step is shared
    double step_start_ = 0.0;  // start of the current step; 0 if it is not timed
    double alone_ = 0.0;       // seconds of the shortest unshared step
    int alone_steps_ = 0;      // number of unshared steps timed in this job
    double shared_ = 0.0;      // total seconds of the steps shared in this trial
    int shared_steps_ = 0;     // number of these steps; starts below 0, to skip steps with cold caches
    void (*ring_)(void*) = nullptr;
    void* ringer_ = nullptr;
};

}  // namespace ash
