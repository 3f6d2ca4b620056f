// occupancy.hpp: measures the share of a core that a thread got while it wanted to run.
//
//     share = CPU seconds of the thread / (wall seconds - seconds that the thread slept voluntarily)
//
// If another process keeps all cores busy, the share is about one half; on an otherwise idle machine it is nearly one.
// Threads: one, which reads its own CPU clock. Cost: one system call, about 0.3 us.

#pragma once

#include <chrono>
#include <ctime>

namespace ash {

// Monotonic time in seconds. A call takes about 25 ns.
inline double now_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Occupancy {
  public:
    // Starts a measurement, which seconds() and share() read later.
    void start() {
        wall_ = now_seconds();
        cpu_ = cpu_seconds();
    }

    // Returns the wall-clock seconds since start().
    double seconds() const { return now_seconds() - wall_; }

    // Returns the share of the time since start() in which the thread had a core, by the formula above. slept: seconds
    // slept voluntarily since start().
    double share(double slept) const {
        const double wanted = seconds() - slept;
        return wanted > 0.0 ? (cpu_seconds() - cpu_) / wanted : 1.0;
    }

  private:
    static double cpu_seconds() {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
    }

    double wall_ = 0.0;
    double cpu_ = 0.0;
};

}  // namespace ash
