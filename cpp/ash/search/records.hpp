// records.hpp: the record of a run so far: events, finished jobs, assists, best candidates and rung counts.
//
// The tuner's threads write the record, and the caller may read it at any time. Seconds are counted from the start of
// the run and include the seconds of the earlier runs that it resumes.
//
// Order:       events and jobs are in order of decision; kept.hpp defines the order of the best candidates.
// Threads:     one mutex guards every field. It is held for a few memory moves and never during training. A thread in
//              the critical section may lock it; a thread that holds the mutex never enters the critical section.
// Cost:        144 bytes per job (its record and two steps), 48 per assist, and a map entry per helped job.
//              take_events() and take_retired() free what they return.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "ash/model/state.hpp"
#include "ash/search/clock.hpp"
#include "ash/search/kept.hpp"
#include "ash/search/ladder.hpp"

namespace ash {

enum class EventKind : std::uint8_t { started, finished, diverged, promoted };

struct Event {
    EventKind kind;
    std::int32_t candidate;
    std::int32_t rung;  // in a `promoted` event, the rung from which the candidate was promoted
    double seconds;
    double score;  // NaN except in a `finished` event
};

struct JobRecord {
    Task task;
    int thread;
    double score;
    double loss;
    double training_loss;
    std::uint64_t weights_hash;
    double start;
    double end;
    int team;                   // the maximum number of threads that shared the job at once
    int team_limit = 1;         // the largest worthwhile team for the job's steps, regardless of available threads
    double core_seconds = 0.0;  // seconds of work of all threads on the job; computed when the record is read
    bool diverged = false;      // whether score or loss is not finite
    bool external = false;      // whether the candidate is not a network
    bool pruned = false;        // whether a function has ended its own trial, which is no error
};

// One decision of a run: a job was given out, or its result was accepted by the ladder.
struct Step {
    std::int32_t candidate;
    std::int32_t rung;
    bool finished;
};

// The help of one thread with another thread's job.
struct Assist {
    Job job;
    int thread;
    double start;
    double end;
    double busy;  // seconds between `start` and `end` in which the thread worked
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
    // keep: `most` of BestCandidates (kept.hpp). REQUIRES: keep >= 1.
    explicit Records(int keep) : kept_(keep) {}

    // Records the start of the job and, unless its rung is the first, the promotion of its candidate.
    void started(const Job& job, double seconds);
    void finished(const JobRecord& record, double seconds);
    void assisted(const Assist& assist);
    void count(std::span<const Rung> rungs);
    void retired(std::span<const std::int32_t> candidates);

    // Returns whether this job would be kept. REQUIRES: from this call until keep() has returned, the caller
    // holds a lock without which no thread calls keep().
    bool would_keep(const JobRecord& record) const;
    void keep(const JobRecord& record, States states);
    void fill(const Kept& kept, States states);  // adds states to a kept job: BestCandidates::fill()

    std::vector<Event> take_events();
    std::vector<std::int32_t> take_retired();                  // candidates retired since the last call
    std::vector<JobRecord> jobs(std::size_t first = 0) const;  // all jobs from index `first` on
    std::vector<Step> steps(std::size_t first = 0) const;      // all steps from index `first` on
    std::vector<Assist> assists(std::size_t first = 0) const;  // all assists from index `first` on
    std::vector<Kept> kept() const;                            // best first
    std::vector<RungCounts> rungs() const;

  private:
    mutable std::mutex mutex_;  // guards all members below
    std::vector<Event> events_;
    std::vector<std::int32_t> retired_;
    std::vector<JobRecord> jobs_;
    std::vector<Step> steps_;
    std::vector<Assist> assists_;
    std::map<std::pair<std::int32_t, std::int32_t>, double> helped_;  // seconds of help by candidate and rung
    BestCandidates kept_;
    std::vector<RungCounts> rungs_;
};

}  // namespace ash
