// clock.hpp: when the decisions of a ladder are taken: the seam between the ladder and the threads.
//
//     worker 0 --next--> job ... training ... --finish-->+
//     worker 1 --next--> job ... training ... --finish-->+--> Clock --report/next--> Ladder
//     worker 2 --next--> nothing yet: waits              +
//
// A clock decides in which order the ladder hears of results and who is given which job. GreedyClock takes every
// decision the moment a job really ends (the seed's way), so its outcome depends on timing. A clock that orders the
// reports by itself may hold a result back; so after any finish() every waiting worker must ask again.
//
// Invariants:  (1) a worker finishes the job that it was given before it asks for another;
//              (2) finished() never turns false again.
// Threads:     none here: the caller holds its critical section around every call.
// Cost:        GreedyClock adds nothing to the ladder's.

#pragma once

#include <optional>

#include "ash/ladder.hpp"

namespace ash {

class Clock {
  public:
    virtual ~Clock() = default;

    // A job for this worker, or nothing: then ask again after the next finish() of anybody, unless finished().
    virtual std::optional<Job> next(int worker) = 0;

    // Throws std::invalid_argument when the job is not running.
    virtual void finish(int worker, const Job& job, double score, double loss) = 0;

    // Nothing runs and nothing can be had.
    virtual bool finished() const = 0;
};

// REQUIRES: the ladder outlives the clock, and nobody else asks or tells it.
class GreedyClock final : public Clock {
  public:
    explicit GreedyClock(Ladder& ladder) : ladder_(ladder) {}

    std::optional<Job> next(int worker) override;
    void finish(int worker, const Job& job, double score, double loss) override;
    bool finished() const override;

  private:
    Ladder& ladder_;
};

}  // namespace ash
