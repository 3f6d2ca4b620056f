// ladder.hpp: asynchronous successive halving: rungs, promotions and the next job, by ask and tell.
//
//     rung   places (n = 16, eta = 2)   epochs a job            next() looks from the highest rung down;
//      3      2                          8 * min_epochs         the first rung whose best waiting candidate
//      2      4                          4 * min_epochs         may go up gives the job; else the next
//      1      8                          2 * min_epochs         candidate enters rung 0; else there is
//      0      16  <- candidates          1 * min_epochs         nothing to do now
//
// Source:      Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (arXiv:1810.05934).
//              Differences: the number of candidates is finite and known, which fixes the places of every rung and the
//              last rung (the highest one with at least eta places); of the promotions only `paper` is theirs.
// Promotion:   in a rung let f be the number finished, p promoted, m = floor(f / eta).
//              capped: the best waiting candidate goes up iff p < m, so never more than the rung above has places for.
//              paper:  it goes up iff it is among the best m of all that finished there (Algorithm 2), so latecomers
//                      may overfill the rung above. Scores 2, 1, 3 with eta 2: "2" goes up, then here also "3".
//              improving: as paper, but who did no better than in the rung below is not ranked and never goes up: more
//                      training has brought nothing, and others use the time.
// Algorithms:  ash:    promotions as above, as soon as they are possible.
//              sh:     a barrier: only when all of a rung have finished, its best places(k + 1) go up (promotion is
//                      not looked at). Fewer go up when too many diverged.
//              random: nobody is eliminated; places are n everywhere, and who has not diverged goes up at once.
// Order:       see rung.hpp. Diverged candidates (score or loss not finite) are counted as finished, never promoted.
//              Better than in the rung below: a higher score, or the same and a lower loss.
// Retirement:  a candidate that will never get another job retires, at the report that makes it certain, so that its
//              state can be freed: when it has diverged, is not ranked, has finished in the last rung, or waits with a
//              rank, 0 for the best of its rung, that no future brings up. Let F(k) be the most that can ever have
//              finished in rung k:
//
//                  rank   0 . . . . . m . . . . . . . L . . . . .       F(0) = n,  L(k) = floor(F(k) / eta)
//                         | may go up | may go up one  | retired        newcomers that are worse or diverge leave a
//                         | now       | day            |                rank as it is, while f grows up to F(k)
//
//              capped: who is promoted has used up a place whatever its rank: ranks count the waiting, behind p.
//                      F(k+1) = min(L(k), p + waiting + F(k) - f): all that have not diverged or retired.
//              paper:  ranks count all that finished. F(k+1) = p + waiting among the best m + F(k) - f: a report lets
//                      one more go up at most, and does when each newcomer is the best so far. (Nobody goes up before
//                      eta have finished, which F(k+1) leaves out: until then nobody is there who could retire.)
//              improving: as paper, among those that are ranked.
//              sh:     as capped, with L(k) = places(k + 1) however few come.  random: L(k) = n, so no rank retires.
//              This is exact: each waiting candidate that has not retired does go up in some future (without regard to
//              epoch_limit and target, which only end things earlier).
// Budgets:     epoch_limit: the epochs of all jobs given out never exceed it. As soon as the next job would, none is
//              given any more, not even a smaller one. target: once a score reaches it no job is given any more. What
//              still runs then is reported, counted and retired as ever.
// Invariants:  (1) a candidate runs at most once at a time, and in each rung at most once;
//              (2) promoted in rung k = running + finished in rung k + 1;
//              (3) capped: promoted in rung k <= floor(places(k) / eta) = places(k + 1);
//              (4) a retired candidate is never promoted, and take_retired() names it once; when nothing runs and
//                  nothing can be had, all that entered have retired, unless a budget has ended it;
//              (5) finished in rung k <= F(k), and neither F(k) nor L(k) ever grows;
//              (6) once finished() is true it stays so, and next() gives nothing.
// Threads:     none, no clock and no training either: the same calls with the same reports give the same jobs. One
//              owner at a time; the tuner holds its critical section around every call.
// Cost:        next O(rungs + log n), report O(rungs + log n) and O(log n) for each that retires, at most one a rung:
//              a report lowers no F(k) by more than one. All integers: a floating logarithm loses rungs at 243/3 and
//              1000/10. Memory: 24 bytes an entry that waits (paper: that is promoted, too) and has not retired, a byte
//              a candidate, with improving 25.

#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ash/search/rung.hpp"

namespace ash {

// One candidate to be trained for one rung. A job of rung k > 0 is a promotion out of rung k - 1.
struct Job {
    std::int32_t candidate;
    std::int32_t rung;
    std::int64_t epochs;
};

enum class Algorithm { ash, sh, random };
enum class Promotion { capped, paper, improving };

struct LadderSettings {
    std::int64_t candidates = 128;
    std::int64_t eta = 2;
    std::int64_t min_epochs = 1;
    std::int64_t max_rungs = 0;  // 0: as many as there are
    Algorithm algorithm = Algorithm::ash;
    Promotion promotion = Promotion::capped;
    std::int64_t epoch_limit = 0;                              // of all jobs together; 0: none
    double target = std::numeric_limits<double>::quiet_NaN();  // a score at which all ends; NaN: none
};

// Why nothing goes on. finished: all rungs are through; epoch_limit: the next job would exceed it.
enum class Ending : std::uint8_t { none, finished, target, epoch_limit };

class Ladder {
  public:
    // Throws std::invalid_argument: candidates not in 1..2^31 - 1, eta < 2, min_epochs < 1, max_rungs < 0,
    // epoch_limit < 0, or epochs of the last rung beyond 2^63 - 1.
    explicit Ladder(const LadderSettings& settings);

    // The next job, or nothing: then wait for a report, or finished().
    std::optional<Job> next();

    // Throws std::invalid_argument, and changes nothing, when the job is not running.
    void report(const Job& job, double score, double loss);

    // Whether next() would give a job.
    bool has_job() const;

    // Nothing runs and nothing can be had; or the target is reached, whatever still runs.
    bool finished() const { return ending() != Ending::none; }

    // Why it is finished; none while it is not.
    Ending ending() const;

    // Who has retired since it was asked last: in order of reports, within one from its rung up, the worst first.
    std::vector<std::int32_t> take_retired() { return std::exchange(retired_, {}); }

    std::span<const Rung> rungs() const { return rungs_; }
    std::int64_t candidates() const { return settings_.candidates; }
    std::int64_t entered() const { return std::ssize(running_rung_); }  // candidates that have had a job

  private:
    bool improved(std::size_t rung, const Entry& entry) const;
    std::optional<std::size_t> next_rung() const;
    bool affordable(std::size_t rung) const;
    bool promotable(std::size_t rung) const;
    void retire_from(std::size_t rung);
    std::int64_t rank_limit(std::size_t rung) const;
    std::int64_t most_promoted(std::size_t rung) const;
    Job start(std::int32_t candidate, std::size_t rung);
    void lift_barrier(std::size_t rung);

    LadderSettings settings_;
    std::vector<Rung> rungs_;
    std::vector<std::int64_t> population_;     // how many the rung will have in all; -1 until sh's barrier settles it
    std::vector<std::int64_t> most_finished_;  // F(k)
    std::vector<std::int8_t> running_rung_;    // of each candidate that has entered; -1 while it does not run
    std::vector<Entry> last_;                  // of each candidate that has entered: how it ended last; improving only
    std::vector<std::int32_t> retired_;        // not yet taken
    std::int64_t running_ = 0;
    std::int64_t epochs_left_;  // of epoch_limit; without one it stays 0
    bool target_reached_ = false;
};

}  // namespace ash
