// pauses.hpp: decides how long a team stays closed after sharing did not pay.
//
//     did not pay, or core was shared      pause over, and core not shared
//     open ------------------------> paused ----------------------------> open
//                                     |  ^ pause over, core shared: twice as long
//                                     +--+
//
// Reasons: the team asked for the pause (team.hpp), or its owner got less than 90 % of a core while it wanted to run.
// In both cases other processes probably need the cores, and a trial of sharing (a few timed steps with members) would
// cost a few milliseconds. As long as trials fail, the pauses between them double, from 30 ms to at most 1 s. The team
// may request a longer pause.
//
// Threads: one, the owner of the team. Cost: one system call at the start and end of each job and of each pause; during
// a pause, one clock reading per step.

#pragma once

#include <algorithm>

#include "ash/train/occupancy.hpp"

namespace ash {

class Pauses {
  public:
    // Starts a watch, which measures how much of a core the owner gets. Called when a job or a pause starts. The time
    // between jobs is left out, since the owner may have slept then.
    void start_watch() {
        occupancy_.start();
        asleep_ = 0.0;
    }

    // Ends the watch. Called when a job ends.
    void end_watch() {
        if (occupancy_.seconds() >= kShortestVerdict) has_core_ = has_core();
    }

    // Returns whether the owner had a core to itself during the last watch that was long enough to be judged.
    bool had_core() const { return has_core_; }

    // Records that the owner slept voluntarily for `seconds`.
    void slept(double seconds) { asleep_ += seconds; }

    bool active() const { return active_; }

    // Starts a pause of at least `least` seconds.
    void begin(double least) {
        const double now = now_seconds();
        const bool long_ago = now - ends_ > kCalm * seconds_;
        seconds_ = long_ago ? kFirst : std::min(2.0 * seconds_, kLongest);
        ends_ = now + std::max(seconds_, least);
        active_ = true;
        start_watch();
    }

    // Ends the pause if its time is over and the watch is long enough to be judged. If the owner shared its core
    // meanwhile, the next pause starts immediately. REQUIRES: active().
    void end_when_due() {
        if (now_seconds() < ends_ || occupancy_.seconds() < kShortestVerdict) return;
        has_core_ = has_core();
        active_ = false;
        if (!has_core_) begin(0.0);
    }

  private:
    static constexpr double kFirst = 30e-3;  // seconds of the first pause
    static constexpr double kLongest = 1.0;  // seconds of the longest pause, unless begin() requires more
    // A pause has the length kFirst if the time since the previous pause exceeds kCalm times the length of that pause.
    static constexpr double kCalm = 10.0;
    static constexpr double kFreeCore = 0.9;          // minimum share of a core that counts as having a whole core
    static constexpr double kShortestVerdict = 5e-3;  // minimum seconds of a watch before its share is judged

    bool has_core() const { return occupancy_.share(asleep_) >= kFreeCore; }

    Occupancy occupancy_;
    double asleep_ = 0.0;
    bool has_core_ = true;
    bool active_ = false;
    double ends_ = 0.0;
    double seconds_ = 0.0;
};

}  // namespace ash
