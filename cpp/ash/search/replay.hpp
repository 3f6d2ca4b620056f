// replay.hpp: the results of earlier runs of the same candidates, from which a tuner resumes.
//
//     the clock gives a job:   known    ->  its result is reported immediately, as if the job had just been trained
//                              unknown  ->  a thread trains it
//
//     virtual clock   requests the same jobs no matter when results arrive, so a table of results is enough
//     greedy clock    decides in the order in which jobs really ended, so the earlier steps are retraced one by one
//
// If the clock waits for candidates, which may depend on replayed results, replaying goes on once they are known.
// So a resumed run makes the same decisions as an uninterrupted one. With a virtual clock, a run resumed with
// more candidates or time makes the same decisions as a run that had these from the start. Jobs that were running when
// the earlier run ended are given out first.
//
// Invariants:  (1) a known result is reported once, for its job;
//              (2) with the same ladder and all steps, advance() reports every known result of a greedy run. If the
//                  ladder differs from that of the earlier run and gives a job other than the step's, the steps are
//                  dropped. The remaining results are reported when the clock requests their jobs.
// Threads:     none: the caller holds its critical section around every call.
// Cost:        O(log n) per result.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ash/search/clock.hpp"
#include "ash/search/records.hpp"

namespace ash {

struct KnownJob {
    JobRecord record;  // of `record.task`, only the job is used, since virtual times follow from decisions
    std::vector<double> fold_scores = {};  // [folds]; empty if the job diverged
};

class Replay {
  public:
    // given: called once for each task given by the clock. replay: reports a known result to the clock. is_over:
    // returns whether the run is over; called before each task, since a reported result may end the run. is_late:
    // returns whether a task would end after the deadline.
    struct Owner {
        std::function<void(const Task& task)> given;
        std::function<void(const Task& task, const KnownJob& known)> replay;
        std::function<bool()> is_over;
        std::function<bool(const Task& task)> is_late;
    };

    // is_greedy: whether the clock is greedy, so that steps are retraced.
    explicit Replay(bool is_greedy) : is_greedy_(is_greedy) {}

    // Adds results, one per job, that are known from now on, and the steps of a greedy run.
    void add(std::vector<KnownJob> jobs, std::vector<Step> steps);

    // Takes jobs from the clock and reports those with a known result, until none is left or the clock has no job. A
    // greedy clock repeats the steps, as long as it gives the same jobs. Other jobs are kept for next().
    void advance(Clock& clock, const Owner& owner);

    // Reports all known results that precede the next task to train, and returns this task. While that task is late,
    // returns nothing, so that later tasks wait as well.
    std::optional<Task> next(Clock& clock, const Owner& owner);

    // Returns whether next() would return a task or report a known result. Also returns true for a new task that turns
    // out to be late, since only next() asks the clock for that task.
    bool has_task(const Clock& clock, const Owner& owner) const;

    // Returns whether the next task was already given out by the clock and is late.
    bool is_late(const Owner& owner) const;

  private:
    using Key = std::pair<std::int32_t, std::int32_t>;  // candidate, rung

    static Key key(const Job& job) { return {job.candidate, job.rung}; }

    static std::optional<Task> ask(Clock& clock, const Owner& owner);
    bool retrace(const Step& step, Clock& clock, const Owner& owner);

    const bool is_greedy_;
    std::vector<Step> steps_;  // those that are still to be retraced, from index step_ on
    std::size_t step_ = 0;
    std::map<Key, KnownJob> known_;  // results not yet reported
    std::vector<Task> again_;        // tasks given out by the clock but neither trained nor reported, in order
};

}  // namespace ash
