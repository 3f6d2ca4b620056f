// records.hpp: what a run has done so far: events, finished jobs, the best and the counts of the rungs.
//
// Written by the threads of the tuner, read by its caller at any time. Seconds are since the start of the run.
//
// Order:       events and jobs in order of decision. Best: higher score, then lower loss, then lower candidate, then
//              lower rung; who diverged is never the best.
// Threads:     one mutex guards every field; it is held for a few moves of memory and never while training. A thread
//              that holds the critical section may take it, never the other way round.
// Cost:        100 bytes a job; events are gone once they are taken.

#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "ash/ladder.hpp"
#include "ash/state.hpp"

namespace ash {

enum class EventKind : std::uint8_t { started, finished, diverged, promoted };

struct Event {
    EventKind kind;
    std::int32_t candidate;
    std::int32_t rung;  // promoted: the one left
    double seconds;
    double score;  // NaN but for finished
};

struct JobRecord {
    Job job;
    int thread;
    double score;
    double loss;
    double training_loss;
    double start;
    double end;
    bool diverged;  // score or loss is not finite
};

struct Best {
    std::int32_t candidate;
    std::int32_t rung;
    double score;
    double loss;
    std::shared_ptr<const State> state;
};

struct RungCounts {
    std::int64_t places;
    std::int64_t epochs;
    std::int64_t running;
    std::int64_t finished;
    std::int64_t promoted;
    std::int64_t diverged;
};

std::vector<RungCounts> counts(std::span<const Rung> rungs);

class Records {
  public:
    // The job is a promotion as well if its rung is not the first.
    void started(const Job& job, double seconds);
    void finished(const JobRecord& record);
    void count(std::span<const Rung> rungs);

    // Whether this job would be the best. REQUIRES: one lock of the caller spans this and keep_best().
    bool would_be_best(const JobRecord& record) const;
    void keep_best(const JobRecord& record, std::shared_ptr<const State> state);

    std::vector<Event> take_events();
    std::vector<JobRecord> jobs() const;
    std::optional<Best> best() const;
    std::vector<RungCounts> rungs() const;

  private:
    mutable std::mutex mutex_;  // guards all below
    std::vector<Event> events_;
    std::vector<JobRecord> jobs_;
    std::optional<Best> best_;
    std::vector<RungCounts> rungs_;
};

}  // namespace ash
