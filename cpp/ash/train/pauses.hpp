// pauses.hpp: decides for how long a team that did not pay is closed.
//
//     did not pay, or no core of its own   time over, and a core of its own
//     open ------------------------> paused ----------------------------> open
//                                     |  ^ time over, no core: twice as long
//                                     +--+
//
// Reasons: the team asked for it (team.hpp), or the owner itself got less than 90 % of a core while it wanted to run.
// Both mean that other processes want the cores. A trial then costs some milliseconds, and trials get rarer, from 30 ms
// to 1 s apart, as long as they fail.
//
// Threads: one, the owner of the team. Cost: a system call at the beginning and end of a job and of a pause; while
// paused, a look at the clock per step.

#pragma once

#include <algorithm>

#include "ash/train/occupancy.hpp"

namespace ash {

class Pauses {
  public:
    // A job begins. The thread may have slept for long before it.
    void start_watch() {
        occupancy_.start();
        asleep_ = 0.0;
    }

    // A job ends.
    void end_watch() {
        if (occupancy_.seconds() >= kShortestVerdict) has_core_ = has_core();
    }

    // Whether the last watch found that this thread had a core of its own.
    bool had_core() const { return has_core_; }

    // The owner slept voluntarily.
    void slept(double seconds) { asleep_ += seconds; }

    bool active() const { return active_; }

    // least: the least seconds that the pause lasts.
    void begin(double least) {
        const double now = now_seconds();
        const bool long_ago = now - ends_ > kCalm * seconds_;
        seconds_ = long_ago ? kFirst : std::min(2.0 * seconds_, kLongest);
        ends_ = now + std::max(seconds_, least);
        active_ = true;
        start_watch();
    }

    // REQUIRES: active(). Ends the pause if it is time, or begins the next one.
    void end_when_due() {
        if (now_seconds() < ends_ || occupancy_.seconds() < kShortestVerdict) return;
        has_core_ = has_core();
        active_ = false;
        if (!has_core_) begin(0.0);
    }

  private:
    static constexpr double kFirst = 30e-3;           // seconds of the first pause
    static constexpr double kLongest = 1.0;           // seconds
    static constexpr double kCalm = 10.0;             // lengths of a pause without a stall: begin again with the first
    static constexpr double kFreeCore = 0.9;          // of a core
    static constexpr double kShortestVerdict = 5e-3;  // the least seconds over which a share is meaningful

    bool has_core() const { return occupancy_.share(asleep_) >= kFreeCore; }

    Occupancy occupancy_;
    double asleep_ = 0.0;
    bool has_core_ = true;
    bool active_ = false;
    double ends_ = 0.0;
    double seconds_ = 0.0;
};

}  // namespace ash
