#include "ash/simulator.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <numbers>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "ash/random.hpp"
#include "ash/running_jobs.hpp"

namespace ash {

namespace {

class Run {
  public:
    Run(const SimulationSettings& settings, const Workload& workload,
        const std::function<void(const SimulatedJob&)>& observer)
        : settings_(settings),
          workload_(workload),
          observer_(observer),
          ladder_(settings.ladder),
          clock_(make_clock(settings.schedule, ladder_, ladder_.candidates(), settings.workers, workload.cost,
                            settings.order)),
          running_(settings.threads, settings.team_efficiency),
          tasks_(static_cast<std::size_t>(settings.threads)),
          free_(settings.threads),
          helping_(settings.threads) {
        for (int thread = 0; thread < settings.threads; ++thread) free_.insert(thread);
        result_.rungs.resize(ladder_.rungs().size());
    }

    Simulation run() {
        employ();
        while (!running_.empty() && !clock_->finished()) {
            end(running_.end_first());
            employ();
        }
        if (!clock_->finished()) throw std::logic_error("the clock stands still while no thread has a job");
        result_.makespan = now_;
        result_.busy = running_.busy(now_);
        result_.chain = chains_.empty() ? 0.0 : *std::ranges::max_element(chains_);
        return std::move(result_);
    }

  private:
    struct Execution {
        Task task;
        double start = 0.0;
    };

    void end(int owner) {
        const RunningJobs::Shared& job = running_.job(owner);
        now_ = job.end;
        for (const int helper : job.helpers) {
            helping_.erase(helper);
            free_.insert(helper);
        }
        free_.insert(owner);
        const auto& [task, start] = tasks_[static_cast<std::size_t>(owner)];
        held_back_.emplace(task.job.candidate, SimulatedJob{task.job, owner, start, now_, job.team});
        const Outcome outcome = workload_.outcome(task.job);
        clock_->finish({.task = task, .score = outcome.score, .loss = outcome.loss});
        for (const Report& report : clock_->decided()) count(report.task.job);
        ladder_.take_retired();  // nobody here has a state to free
    }

    void count(const Job& job) {
        const double seconds = workload_.seconds(job);
        ++result_.jobs;
        result_.epochs += job.epochs;
        result_.work += seconds;
        ++result_.rungs[static_cast<std::size_t>(job.rung)].jobs;
        result_.rungs[static_cast<std::size_t>(job.rung)].seconds += seconds;
        const auto candidate = static_cast<std::size_t>(job.candidate);
        if (candidate >= chains_.size()) chains_.resize(candidate + 1, 0.0);
        chains_[candidate] += seconds;
        const auto told = held_back_.extract(job.candidate);
        if (observer_) observer_(told.mapped());
    }

    void employ() {
        while (clock_->has_task()) {
            const std::optional<int> thread = available();
            if (!thread) break;
            if (const std::optional<Task> task = clock_->next()) begin(*thread, *task);
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

    // Takes the lowest thread that has nothing to do, or else the lowest that helps.
    std::optional<int> available() {
        if (!free_.empty()) return free_.take_lowest();
        if (helping_.empty()) return std::nullopt;
        const int thread = helping_.take_lowest();
        running_.leave(thread, now_);
        return thread;
    }

    const SimulationSettings settings_;
    const Workload& workload_;
    const std::function<void(const SimulatedJob&)>& observer_;
    Ladder ladder_;
    std::unique_ptr<Clock> clock_;
    RunningJobs running_;
    std::vector<Execution> tasks_;  // a thread each
    ThreadSet free_;
    ThreadSet helping_;
    std::map<std::int32_t, SimulatedJob> held_back_;  // ended, not decided yet: at most one a candidate
    std::vector<double> chains_;                      // a candidate each: seconds of its jobs
    double now_ = 0.0;
    Simulation result_;
};

// Four words for a job, apart from whatever random.hpp draws with the same seed.
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
