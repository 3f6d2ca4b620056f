#include "ash/simulate/simulator.hpp"

#include <cmath>
#include <cstddef>
#include <numbers>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "ash/data/random.hpp"
#include "ash/simulate/running_jobs.hpp"
#include "ash/simulate/simulated_ladder.hpp"

namespace ash {

namespace {

class Run {
  public:
    Run(const SimulationSettings& settings, const Workload& workload,
        const std::function<void(const SimulatedJob&)>& observer)
        : settings_(settings),
          workload_(workload),
          ladder_(settings, workload, observer),
          running_(settings.threads, settings.team_efficiency),
          tasks_(static_cast<std::size_t>(settings.threads)),
          free_(settings.threads),
          helping_(settings.threads) {
        for (int thread = 0; thread < settings.threads; ++thread) free_.insert(thread);
    }

    Simulation run() {
        employ();
        while (!running_.empty() && !clock().finished()) {
            end(running_.end_first());
            employ();
        }
        return ladder_.close(now_, running_.busy(now_));
    }

  private:
    struct Execution {
        Task task;
        double start = 0.0;
    };

    Clock& clock() { return ladder_.clock(); }

    void end(int owner) {
        const RunningJobs::Shared& job = running_.job(owner);
        now_ = job.end;
        for (const int helper : job.helpers) {
            helping_.erase(helper);
            free_.insert(helper);
        }
        free_.insert(owner);
        const auto& [task, start] = tasks_[static_cast<std::size_t>(owner)];
        ladder_.finish(task, {task.job, owner, start, now_, job.team});
    }

    void employ() {
        while (clock().has_task()) {
            const std::optional<int> thread = available();
            if (!thread) break;
            if (const std::optional<Task> task = clock().next()) begin(*thread, *task);
        }
        if (!settings_.teams || running_.empty()) return;
        while (!free_.empty()) {
            const std::optional<int> owner = running_.neediest(now_);
            if (!owner) return;
            const int thread = free_.take_lowest();
            running_.join(thread, *owner, now_);
            helping_.insert(thread);
        }
    }

    void begin(int thread, const Task& task) {
        tasks_[static_cast<std::size_t>(thread)] = {.task = task, .start = now_};
        running_.start(thread, now_, workload_.seconds(task.job), most_members(task.job));
    }

    int most_members(const Job& job) const {
        if (!settings_.teams) return 1;
        return workload_.most_members ? workload_.most_members(job) : settings_.threads;
    }

    // Removes and returns the lowest-numbered idle thread. If no thread is idle, takes the lowest-numbered helping
    // thread out of its team instead.
    std::optional<int> available() {
        if (!free_.empty()) return free_.take_lowest();
        if (helping_.empty()) return std::nullopt;
        const int thread = helping_.take_lowest();
        running_.leave(thread, now_);
        return thread;
    }

    const SimulationSettings settings_;
    const Workload& workload_;
    SimulatedLadder ladder_;
    RunningJobs running_;
    std::vector<Execution> tasks_;  // [thread]: the task that the thread runs
    ThreadSet free_;
    ThreadSet helping_;
    double now_ = 0.0;
};

// Returns four random words for a job, from Philox counters that no function of random.hpp uses.
Words words(std::uint64_t seed, const Job& job, std::uint32_t column) {
    constexpr std::uint32_t kSimulation = 255U << 24U;
    return philox(
        {column, static_cast<std::uint32_t>(job.candidate), static_cast<std::uint32_t>(job.rung), kSimulation}, seed);
}

}  // namespace

Simulation simulate(const SimulationSettings& settings, const Workload& workload,
                    const std::function<void(const SimulatedJob&)>& observer) {
    if (settings.threads < 1) {
        throw std::invalid_argument("threads must be at least 1, not " + std::to_string(settings.threads));
    }
    const double efficiency = settings.team_efficiency;
    if (std::isnan(efficiency) || efficiency < 0.0 || efficiency > 1.0) {
        throw std::invalid_argument("team_efficiency must be from 0 to 1, not " + std::to_string(efficiency));
    }
    return Run(settings, workload, observer).run();
}

double JobTable::of(const Job& job) const {
    if (values.size() == 1) return values[0];
    const std::int64_t place = rungs == 0 ? job.candidate : job.candidate * rungs + job.rung;
    return values[static_cast<std::size_t>(place)];
}

double timing_noise(std::uint64_t seed, const Job& job, double sigma) {
    const Words word = words(seed, job, 0);
    const double radius = std::sqrt(-2.0 * std::log((word[0] + 1.0) * 0x1.0p-32));  // Box and Muller, 1958
    const double normal = radius * std::cos(2.0 * std::numbers::pi * word[1] * 0x1.0p-32);
    return std::exp(sigma * normal - sigma * sigma / 2.0);
}

double random_score(std::uint64_t seed, const Job& job, std::int64_t eta) {
    const double quality = words(seed, {job.candidate, 0, 0}, 1)[0] * 0x1.0p-32;
    double noise = words(seed, job, 2)[0] * 0x1.0p-32 - 0.5;
    for (std::int32_t rung = 0; rung < job.rung; ++rung) noise /= std::sqrt(static_cast<double>(eta));
    return quality + noise;
}

}  // namespace ash
