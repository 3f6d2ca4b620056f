// simulated_ladder.hpp: the ladder and the clock of a simulated run, with totals of the decided jobs.
//
// Invariants:  (1) a job is counted and reported to the observer when its result is decided, not earlier.
// Threads:     none. Cost: O(1) per job in addition to the clock's. Memory: 8 bytes per candidate in addition to the
//              ladder's.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ash/search/clock.hpp"
#include "ash/search/ladder.hpp"
#include "ash/simulate/simulator.hpp"

namespace ash {

class SimulatedLadder {
  public:
    // REQUIRES: workload and observer outlive this object.
    SimulatedLadder(const SimulationSettings& settings, const Workload& workload,
                    const std::function<void(const SimulatedJob&)>& observer)
        : workload_(workload),
          observer_(observer),
          ladder_(settings.ladder),
          clock_(make_clock(settings.schedule, ladder_, ladder_.candidates(), settings.workers, workload.cost,
                            settings.order)) {
        result_.rungs.resize(ladder_.rungs().size());
    }

    Clock& clock() { return *clock_; }

    // Ends the job of the task. Its result is held back until it is decided.
    void finish(const Task& task, const SimulatedJob& job) {
        held_back_.emplace(task.job.candidate, job);
        const SimulatedOutcome outcome = workload_.outcome(task.job);
        clock_->finish({.task = task, .score = outcome.score, .loss = outcome.loss});
        for (const Report& report : clock_->decided()) count(report.task.job);
        ladder_.take_retired();  // there are no states to free
    }

    // Returns the totals; call once. Throws std::logic_error if the clock has not finished.
    Simulation close(double makespan, double busy) {
        if (!clock_->finished()) throw std::logic_error("virtual time cannot advance while no thread has a job");
        result_.makespan = makespan;
        result_.busy = busy;
        result_.chain = chains_.empty() ? 0.0 : *std::ranges::max_element(chains_);
        return std::move(result_);
    }

  private:
    void count(const Job& job) {
        const double seconds = workload_.seconds(job);
        ++result_.jobs;
        result_.epochs += static_cast<double>(job.epochs);
        result_.work += seconds;
        ++result_.rungs[static_cast<std::size_t>(job.rung)].jobs;
        result_.rungs[static_cast<std::size_t>(job.rung)].seconds += seconds;
        const auto candidate = static_cast<std::size_t>(job.candidate);
        if (candidate >= chains_.size()) chains_.resize(candidate + 1, 0.0);
        chains_[candidate] += seconds;
        const auto told = held_back_.extract(job.candidate);
        if (observer_) observer_(told.mapped());
    }

    const Workload& workload_;
    const std::function<void(const SimulatedJob&)>& observer_;
    Ladder ladder_;
    std::unique_ptr<Clock> clock_;
    std::map<std::int32_t, SimulatedJob> held_back_;  // undecided jobs that have ended, one per candidate at most
    std::vector<double> chains_;                      // [candidate]: total seconds of the candidate's jobs
    Simulation result_;
};

}  // namespace ash
