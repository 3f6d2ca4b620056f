// processes.hpp: the lines and processes of a simulated cluster. A process has threads and places for jobs in flight.
//
// Invariants:  (1) each process is in vacant_ once, under its current number of vacancies.
// Threads:     none. Cost: O(log processes) per change of vacancies; O(1) per message on a line.

#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "ash/simulate/running_jobs.hpp"

namespace ash {

// One direction of a line. Messages pass one after the other; a message without bytes does not wait.
class Line {
  public:
    explicit Line(double bandwidth) : bandwidth_(bandwidth) {}

    // Sends bytes at the time `now`, after the bytes of earlier calls. Returns the time at which all of them have
    // passed.
    double pass(double now, double bytes) {
        if (bytes == 0.0) return now;
        free_ = std::max(free_, now) + bytes / bandwidth_;
        busy_ += bytes / bandwidth_;
        return free_;
    }

    // Returns the seconds, until now, in which the line was passing bytes.
    double busy(double now) const { return busy_ - std::min(busy_, std::max(free_ - now, 0.0)); }

  private:
    double bandwidth_;
    double free_ = 0.0;
    double busy_ = 0.0;
};

struct Process {
    Process(int threads, double bandwidth, int places)
        : in(bandwidth), out(bandwidth), vacancies(places), idle(threads) {
        for (int thread = 0; thread < threads; ++thread) idle.insert(thread);
    }

    Line in;
    Line out;
    double data = 0.0;  // time from which the process has the data
    int vacancies;
    ThreadSet idle;             // idle threads, by their numbers within the process
    std::deque<int> waiting{};  // arrived jobs that have not started, as indices in flights_ (cluster.cpp)
};

class Processes {
  public:
    // Each process has `threads_each` threads, except that the last process has the remaining threads. Each process
    // has `in_flight` places per thread.
    Processes(int threads, int threads_each, int in_flight, double bandwidth) {
        for (int first = 0; first < threads; first += threads_each) {
            const int own = std::min(threads_each, threads - first);
            vacant_.emplace(-own * in_flight, static_cast<int>(all_.size()));
            all_.emplace_back(own, bandwidth, own * in_flight);
        }
    }

    std::size_t size() const { return all_.size(); }
    Process& at(int number) { return all_[static_cast<std::size_t>(number)]; }
    const std::vector<Process>& all() const { return all_; }

    bool has_vacancy() const { return vacant_.begin()->first < 0; }

    // Returns the process with the most vacancies (ties: the lowest number).
    int most_vacant() const { return vacant_.begin()->second; }

    void change_vacancies(int number, int by) {
        int& vacancies = at(number).vacancies;
        vacant_.erase({-vacancies, number});
        vacancies += by;
        vacant_.emplace(-vacancies, number);
    }

  private:
    std::vector<Process> all_;
    std::set<std::pair<int, int>> vacant_;  // (-vacancies, number)
};

}  // namespace ash
