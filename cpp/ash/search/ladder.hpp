// ladder.hpp: asynchronous successive halving (rungs, promotions and the next job) with an ask-and-tell interface.
//
//     rung   places (n = 16, eta = 2)   epochs of a job         next() looks from the highest rung down. The first
//      3      2                          8 * min_epochs         rung whose best waiting candidate may be promoted
//      2      4                          4 * min_epochs         gives the job; else the next new candidate enters
//      1      8                          2 * min_epochs         rung 0; else there is nothing to do now
//      0      16  <- candidates          1 * min_epochs
//
// Source:      Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (arXiv:1810.05934).
// Promotion:   f candidates of a rung have finished, p were promoted, m = floor(f / eta). The best waiting candidate
//              may be promoted
//                capped      iff p < m;
//                paper       iff it is among the best m of all candidates that finished in the rung;
//                improving   like paper, but above rung 0, only candidates that did better in the rung than in the rung
//                            below are ranked: with a higher score, or with the same score and a lower loss.
//              If the rungs are given one by one, m = floor(f * places(k + 1) / places(k)).
// Algorithms:  ash promotes as above, at any time. sh has barriers: when all candidates of a rung have finished, its
//              best places(k + 1) are promoted. random promotes every candidate that has not diverged.
// Order:       as in rung.hpp. Diverged candidates count as finished and are never promoted.
// Retirement:  a candidate retires as soon as the reports so far rule out its promotion. Its state can then be freed.
//              DESIGN.md ("Who retires") defines F and L, which are used below, and proves (4) and (5).
// Rank:        by score, or with rank_by_loss by negated loss, so that a forecast can rank candidates.
// Limits:      once the next job would exceed max_total_epochs, no more jobs are given out. The ladder ends immediately
//              when a score reaches stop_score, after `patience` reports in a row without a new best score, after
//              max_failures errors in a row, after first_failures errors in a row before the first score (replayed
//              errors do not count), and after report_limit reports. With by_rung, scores in different rungs are not
//              comparable: any score in a higher rung is a new best score, and only the last rung has a stop_score.
//              Jobs that are still running at that time may be reported later. After close() no job is given out
//              either; the clock calls close() when the work limit is reached.
// Invariants:  (1) a candidate runs at most one job at a time, and at most one per rung;
//              (2) promoted in rung k = running + finished in rung k + 1;
//              (3) capped: promoted in rung k <= places(k + 1), which is floor(places(k) / eta) unless the rungs are
//                  given;
//              (4) a retired candidate is never promoted, and take_retired() returns it once. When nothing is running
//                  and no job is left, all entered candidates have retired, unless a limit has ended the run;
//              (5) finished in rung k <= F(k), and neither F(k) nor L(k) ever grows;
//              (6) once finished() is true it stays true, and next() returns nothing.
// Threads:     not thread-safe; the owner must lock. The tuner holds its critical section (train/parallel.hpp) while
//              threads run, ash.Ladder holds a lock, and the simulator has one thread. The same calls give the same
//              jobs.
// Cost:        next O(rungs + log n); report O(rungs + log n), plus O(log n) per retired candidate, of which there is
//              at most one per rung. Memory: 24 bytes per waiting entry (paper and improving: also per promoted entry),
//              and 1 byte per candidate (improving: 25 bytes).

#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ash/search/rung.hpp"

namespace ash {

// The training of one candidate for one rung. A job of rung k > 0 is a promotion out of rung k - 1.
struct Job {
    std::int32_t candidate;
    std::int32_t rung;
    std::int64_t epochs;
};

enum class Algorithm { ash, sh, random };
enum class Promotion { capped, paper, improving };

// A rung given by the caller: the maximum number of candidates in it, and the epochs of each of its jobs.
struct GivenRung {
    std::int64_t places;
    std::int64_t epochs;
};

struct LadderSettings {
    std::int64_t candidates = 128;
    std::int64_t eta = 2;
    std::int64_t min_epochs = 1;
    std::int64_t max_rungs = 0;  // maximum number of rungs; 0 for no limit
    Algorithm algorithm = Algorithm::ash;
    Promotion promotion = Promotion::capped;
    std::int64_t max_total_epochs = 0;                             // maximum total epochs of all jobs; 0 for no limit
    double stop_score = std::numeric_limits<double>::quiet_NaN();  // score at which the run ends; NaN for none
    std::int64_t report_limit = 0;                                 // maximum number of reported jobs; 0 for no limit
    std::int64_t patience = 0;        // maximum number of reports in a row without a new best score; 0 for no limit
    std::int64_t max_failures = 0;    // maximum number of errors in a row; 0 for no limit
    std::int64_t first_failures = 0;  // the same before the first score, without replayed errors
    bool rank_by_loss = false;
    bool by_rung = false;
    std::vector<GivenRung> rungs = {};  // if not empty, replaces eta, min_epochs and max_rungs
};

// The reason why no more jobs are given out. finished: all rungs are done; max_total_epochs: the next job would exceed
// the limit; work_limit: close() was called.
enum class Ending : std::uint8_t {
    none,
    finished,
    stop_score,
    patience,
    failures,
    max_total_epochs,
    report_limit,
    work_limit
};

// Facts about a failed job: whether it counts towards max_failures, and whether it was replayed.
struct Failure {
    bool is_error = false;
    bool is_known = false;
};

class Ladder {
  public:
    // Throws std::invalid_argument for candidates not in 1..2^31 - 1, eta < 2, min_epochs < 1, max_rungs < 0,
    // max_total_epochs < 0, report_limit < 0, patience < 0, and more than 2^63 - 1 epochs in the last rung. Given rungs
    // are refused if there are more than 63, if the first has fewer or more places than there are candidates, or if a
    // rung has no places, negative epochs, or more places than the rung below.
    explicit Ladder(const LadderSettings& settings);

    // Returns the next job, or nothing. If it returns nothing and finished() is false, ask again after the next report.
    std::optional<Job> next();

    // Throws std::invalid_argument and changes nothing if the job is not running.
    void report(const Job& job, double score, double loss, Failure failure = {});

    // From now on next() returns nothing. Running jobs may still be reported.
    void close() { closed_ = true; }

    // Returns whether next() would return a job.
    bool has_job() const;

    // Returns true if nothing is running and no job is left. Also returns true if is_cut(), even if jobs are still
    // running.
    bool finished() const { return ending() != Ending::none; }

    // Returns whether the stop score, the patience, failures or the report limit has ended the ladder.
    bool is_cut() const { return cut_ != Ending::none; }

    // Returns the reason why the ladder is finished; Ending::none while it is not.
    Ending ending() const;

    // Returns the candidates that have retired since the last call, in the order of reports. One report retires
    // at most one candidate per rung, and these are in order of rung, lowest first.
    std::vector<std::int32_t> take_retired() { return std::exchange(retired_, {}); }

    std::span<const Rung> rungs() const { return rungs_; }
    std::int64_t candidates() const { return settings_.candidates; }
    std::int64_t entered() const { return std::ssize(running_rung_); }  // candidates that have had a job

  private:
    bool improved(std::size_t rung, const Entry& entry) const;
    std::optional<std::size_t> next_rung() const;
    bool affordable(std::size_t rung) const;
    bool promotable(std::size_t rung) const;
    void cut(const Job& job, double score, bool diverged, Failure failure);
    void retire_from(std::size_t rung);
    std::int64_t share(std::size_t rung, std::int64_t finished) const;
    std::int64_t rank_limit(std::size_t rung) const;
    std::int64_t most_promoted(std::size_t rung) const;
    Job start(std::int32_t candidate, std::size_t rung);
    void lift_barrier(std::size_t rung);

    LadderSettings settings_;
    std::vector<Rung> rungs_;
    std::vector<std::int64_t> population_;     // final number of candidates per rung; -1 until known
    std::vector<std::int64_t> most_finished_;  // F(k): the largest number of candidates that can ever finish in rung k
    std::vector<std::int8_t> running_rung_;    // rung of each entered candidate's running job; -1 while not running
    std::vector<Entry> last_;                  // last result of each candidate that has entered; only for improving
    std::vector<std::int32_t> retired_;        // retired candidates that take_retired() has not returned yet
    std::int64_t running_ = 0;
    std::int64_t epochs_left_;  // epochs that remain of max_total_epochs; 0 without a limit
    std::int64_t reported_ = 0;
    std::int64_t without_better_ = 0;  // reports since the last new best score
    std::int64_t failures_ = 0;        // errors in a row
    std::int64_t new_failures_ = 0;    // those of them that were not replayed
    std::int32_t best_rung_ = 0;       // with by_rung: the highest rung with a score
    double best_score_ = -std::numeric_limits<double>::infinity();
    bool closed_ = false;
    Ending cut_ = Ending::none;
};

}  // namespace ash
