#include "ash/run/retrain.hpp"

#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

#include "ash/model/cost.hpp"
#include "ash/run/candidates.hpp"
#include "ash/run/tuner.hpp"
#include "ash/train/workspace.hpp"

namespace ash {
namespace {

constexpr double kLook = 0.02;  // seconds between two calls of stop()

// Presents each job to retrain as a candidate of a ladder with one rung. No job is scored, so a job's only result is
// its state.
class RetrainedCandidates final : public Candidates {
  public:
    RetrainedCandidates(std::span<RetrainJob> jobs, int threads)
        : Candidates(std::ssize(jobs)), jobs_(jobs), workspaces_(static_cast<std::size_t>(threads)) {}

    double cost(const Job& job) const override {
        const RetrainJob& own = at(job.candidate);
        return job_cost(layout(own), epochs_of(own.settings, own.data).rows(), 0, own.job.epochs);
    }

    double step_cost(std::int32_t candidate) const override {
        return ash::step_cost(at(candidate).data, at(candidate).settings);
    }

    Result train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) override {
        RetrainJob& own = at(job.candidate);
        Workspace& scratch = workspaces_[static_cast<std::size_t>(thread)];
        scratch.prepare(own.data, own.settings);
        JobRun run{.data = own.data,
                   .settings = own.settings,
                   .rules = own.rules,
                   .job = own.job,
                   .scratch = scratch,
                   .stop = &stop,
                   .team = &team};
        if (own.state.weights.size() == 0) own.state = run.initial();
        own.outcome = run.train(own.state);
        constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
        return {.score = kNone, .loss = kNone, .training_loss = own.outcome.loss, .stopped = own.outcome.stopped};
    }

    Team::Help help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) override {
        Workspace& scratch = workspaces_[static_cast<std::size_t>(thread)];
        scratch.prepare_to_help(layout(at(candidate)));
        return team.help(invitation, scratch);
    }

  private:
    RetrainJob& at(std::int32_t candidate) const { return jobs_[static_cast<std::size_t>(candidate)]; }
    static Layout layout(const RetrainJob& job) { return {job.data.shape(), job.settings}; }

    const std::span<RetrainJob> jobs_;
    std::vector<Workspace> workspaces_;  // one per thread
};

}  // namespace

void retrain(std::span<RetrainJob> jobs, int threads, const std::function<bool()>& stop) {
    if (jobs.empty()) return;
    Tuner tuner(std::make_unique<RetrainedCandidates>(jobs, threads),
                {.ladder = {.max_rungs = 1}, .threads = threads, .schedule = Schedule::greedy});
    tuner.start();
    do {
        if (stop()) tuner.stop();
    } while (!tuner.wait(kLook));
}

}  // namespace ash
