#include "ash/run/refit.hpp"

#include <cstddef>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "ash/model/cost.hpp"
#include "ash/run/tuner.hpp"
#include "ash/train/trainer.hpp"
#include "ash/train/workspace.hpp"

namespace ash {
namespace {

constexpr double kLook = 0.02;  // seconds

// The jobs as candidates of one rung. Nobody is scored, so a job has no result but the state that it leaves.
class Jobs final : public Candidates {
  public:
    Jobs(const Data& data, std::span<RefitJob> jobs, std::uint64_t seed, const Kernels& kernels, int threads)
        : data_(data), jobs_(jobs), seed_(seed), kernels_(kernels), workspaces_(static_cast<std::size_t>(threads)) {}

    std::int64_t count() const override { return std::ssize(jobs_); }
    std::int64_t known() const override { return std::ssize(jobs_); }

    double cost(const Job& job) const override {
        const RefitJob& own = at(job.candidate);
        return job_cost(own.state.layout, epochs_of(own.settings, data_).rows(), 0, own.epochs);
    }

    double step_cost(std::int32_t candidate) const override {
        const RefitJob& own = at(candidate);
        const auto rows = static_cast<double>(batch_rows(own.settings, data_));
        return rows * training_cost(own.state.layout);
    }

    Result train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) override {
        RefitJob& own = at(job.candidate);
        Workspace& scratch = workspaces_[static_cast<std::size_t>(thread)];
        scratch.prepare(data_, own.settings);
        const Training training{
            .epochs = own.epochs, .seed = seed_, .candidate = own.candidate, .stop = &stop, .team = &team};
        const Outcome outcome = ash::train(data_, own.settings, training, kernels_, own.state, scratch);
        own.done = !outcome.stopped && !outcome.diverged;
        constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
        return {.score = kNone, .loss = kNone, .training_loss = outcome.loss, .stopped = outcome.stopped};
    }

    Team::Help help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) override {
        Workspace& scratch = workspaces_[static_cast<std::size_t>(thread)];
        scratch.prepare_to_help(at(candidate).state.layout);
        return team.help(invitation, scratch);
    }

    // The states are the caller's.
    States publish(std::int32_t /*candidate*/) override { return {}; }
    void wait(std::int32_t /*candidate*/, std::int32_t /*rung*/, double /*score*/, double /*loss*/) override {}
    void retire(std::int32_t /*candidate*/) override {}
    MemoryUse memory() const override { return {}; }

  private:
    RefitJob& at(std::int32_t candidate) const { return jobs_[static_cast<std::size_t>(candidate)]; }

    const Data& data_;
    const std::span<RefitJob> jobs_;
    const std::uint64_t seed_;
    const Kernels& kernels_;
    std::vector<Workspace> workspaces_;  // [thread]
};

}  // namespace

void refit(const Data& data, std::span<RefitJob> jobs, std::uint64_t seed, const Kernels& kernels, int threads,
           const std::function<bool()>& stop) {
    if (jobs.empty()) return;
    LadderSettings one_rung;
    one_rung.max_rungs = 1;
    Tuner tuner(std::make_unique<Jobs>(data, jobs, seed, kernels, threads),
                {.ladder = one_rung, .threads = threads, .schedule = Schedule::greedy});
    tuner.start();
    while (!tuner.wait(kLook)) {
        if (stop()) tuner.stop();
    }
}

}  // namespace ash
