// team_help.hpp: threads that join and leave teams, and the processor time of the process, for the tests of teams.
#pragma once

#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "ash/train/team.hpp"
#include "ash/train/workspace.hpp"

namespace ash::testing {

inline void no_ring(void*) {}

// Returns the processor time of all threads in seconds. (On Windows, std::clock() would return wall-clock time.)
inline double processor_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Threads that join a team whenever it is open, leave it, and pause before they join again. The destructor ends them.
// All of them may then be asleep in an open team, so the destructor rings the bell. Each thread reads the bell before
// it checks whether to end, so no thread misses this ring.
class Members {
  public:
    Members(Team& team, std::atomic<std::uint32_t>& bell, int count, std::function<void(Workspace&)> prepare = {})
        : team_(team), bell_(bell) {
        for (int i = 0; i < count; ++i) {
            threads_.emplace_back([this, prepare] {
                Workspace scratch;
                if (prepare) prepare(scratch);
                join_until_over(scratch);
            });
        }
    }
    Members(const Members&) = delete;
    Members& operator=(const Members&) = delete;
    ~Members() {
        over_ = true;
        ++bell_;
        team_.wake();
        for (std::thread& thread : threads_) thread.join();
    }
    std::int64_t blocks() const { return blocks_; }

  private:
    void join_until_over(Workspace& scratch) {
        for (std::uint32_t bell = bell_; !over_; bell = bell_) {
            if (team_.is_open()) blocks_ += team_.help(team_.invitation(bell), scratch).blocks;
            std::this_thread::sleep_for(std::chrono::microseconds(20));
        }
    }

    Team& team_;
    std::atomic<std::uint32_t>& bell_;
    std::atomic<bool> over_{false};
    std::atomic<std::int64_t> blocks_{0};
    std::vector<std::thread> threads_;
};

}  // namespace ash::testing
