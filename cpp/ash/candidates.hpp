// candidates.hpp: the vector `candidates`: what each one is, how far it has been trained, and how a job trains it.
//
//     a candidate's state:   none --train--> own --publish--> shared --train--> own (a copy) -- ... --settle--> none
//
// Candidates is what the tuner knows of them; NetworkCandidates are the multilayer perceptrons of this project.
//
// Invariants:  (1) a state is written only by the job that its candidate runs, and a candidate runs one job at a time;
//              (2) a published state is never written again: the next job of its candidate goes on with a copy;
//              (3) resume: a job goes on from the state that the last one left; restart: each begins with the
//                  initial one, and nothing is kept between jobs. The random stream depends on seed, candidate and
//                  epoch alone.
// Threads:     the slot of a candidate belongs to the thread that runs its job, from the decision that starts the job
//              to the one that reports it; both are taken in the critical section, which so hands the slot from
//              thread to thread. Scratch belongs to one thread, which makes it before its first job and never again.
//              All else is const.
// Cost:        memory: a state for each candidate that may still go on; a training step allocates nothing.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "ash/data.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/ladder.hpp"
#include "ash/metrics.hpp"
#include "ash/settings.hpp"
#include "ash/state.hpp"
#include "ash/workspace.hpp"

namespace ash {

// How a job ended. Diverged: score and loss are NaN.
struct Result {
    double score = 0.0;
    double loss = 0.0;
    double training_loss = 0.0;
    bool stopped = false;  // by the flag: there is no result
};

class Candidates {
  public:
    virtual ~Candidates() = default;

    virtual std::int64_t count() const = 0;

    // Trains and scores. REQUIRES: no other thread has this number, and none this candidate.
    virtual Result train(const Job& job, int thread, const std::atomic<bool>& stop) = 0;

    // The state that the last job left, for good. REQUIRES: the job has ended and was not settled.
    virtual std::shared_ptr<const State> publish(std::int32_t candidate) = 0;

    // The job was reported: whatever no further job of this candidate needs is freed. REQUIRES: as publish().
    virtual void settle(std::int32_t candidate, bool may_go_on) = 0;
};

enum class Continuation : std::uint8_t { resume, restart };

class NetworkCandidates final : public Candidates {
  public:
    // REQUIRES: data and kernels outlive this. Throws std::invalid_argument for settings out of range, for none, or for
    // a metric of the other task.
    NetworkCandidates(const Data& data, std::vector<Settings> candidates, Continuation continuation, Metric metric,
                      std::uint64_t seed, const Kernels& kernels, int threads);

    std::int64_t count() const override { return std::ssize(candidates_); }
    Result train(const Job& job, int thread, const std::atomic<bool>& stop) override;
    std::shared_ptr<const State> publish(std::int32_t candidate) override;
    void settle(std::int32_t candidate, bool may_go_on) override;

  private:
    struct Slot {
        std::shared_ptr<State> state;
        bool published = false;
    };

    Slot& slot(std::int32_t candidate) { return slots_[static_cast<std::size_t>(candidate)]; }
    State& state_to_train(std::int32_t candidate);
    Workspace& workspace(int thread);

    const Data& data_;
    const std::vector<Settings> candidates_;
    const Continuation continuation_;
    const Metric metric_;
    const std::uint64_t seed_;
    const Kernels& kernels_;

    std::vector<Slot> slots_;                             // [candidate]
    std::vector<std::unique_ptr<Workspace>> workspaces_;  // [thread]
};

}  // namespace ash
