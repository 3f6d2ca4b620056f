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
//              last rung (the highest one with at least eta places); Promotion::capped is not theirs.
// Promotion:   in a rung let f be the number finished, p promoted, m = floor(f / eta).
//              capped: the best waiting candidate goes up iff p < m, so never more than the rung above has places for.
//              paper:  it goes up iff it is among the best m of all that finished there (Algorithm 2), so latecomers
//                      may overfill the rung above. Scores 2, 1, 3 with eta 2: "2" goes up, then here also "3".
// Algorithms:  ash:    promotions as above, as soon as they are possible.
//              sh:     a barrier: only when all of a rung have finished, its best places(k + 1) go up (promotion is
//                      not looked at). Fewer go up when too many diverged.
//              random: nobody is eliminated; places are n everywhere, and who has not diverged goes up at once.
// Order:       see rung.hpp. Diverged candidates (score or loss not finite) are counted as finished, never promoted.
// Invariants:  (1) a candidate runs at most once at a time, and in each rung at most once;
//              (2) promoted in rung k = running + finished in rung k + 1;
//              (3) capped: promoted in rung k <= floor(places(k) / eta) = places(k + 1).
// Threads:     none, no clock and no training either: the same calls with the same reports give the same jobs. One
//              owner at a time; the tuner holds its critical section around every call.
// Cost:        next O(rungs + log n), report O(log n). All integers: a floating logarithm loses rungs at 243/3 and
//              1000/10. Memory: 24 bytes a finished entry (48 for paper) and a byte a candidate.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ash/rung.hpp"

namespace ash {

// One candidate to be trained for one rung. A job of rung k > 0 is a promotion out of rung k - 1.
struct Job {
    std::int32_t candidate;
    std::int32_t rung;
    std::int64_t epochs;
};

enum class Algorithm { ash, sh, random };
enum class Promotion { capped, paper };

struct LadderSettings {
    std::int64_t candidates = 128;
    std::int64_t eta = 2;
    std::int64_t min_epochs = 1;
    std::int64_t max_rungs = 0;  // 0: as many as there are
    Algorithm algorithm = Algorithm::ash;
    Promotion promotion = Promotion::capped;
};

class Ladder {
  public:
    // Throws std::invalid_argument: candidates not in 1..2^31 - 1, eta < 2, min_epochs < 1, max_rungs < 0, or epochs of
    // the last rung beyond 2^63 - 1.
    explicit Ladder(const LadderSettings& settings);

    // The next job, or nothing: then wait for a report, or finished().
    std::optional<Job> next();

    // Throws std::invalid_argument, and changes nothing, when the job is not running.
    void report(const Job& job, double score, double loss);

    // Nothing runs and nothing can be had.
    bool finished() const;

    std::span<const Rung> rungs() const { return rungs_; }
    std::int64_t candidates() const { return settings_.candidates; }

  private:
    bool promotable(std::size_t rung) const;
    bool has_job() const;
    Job start(std::int32_t candidate, std::size_t rung);
    void lift_barrier(std::size_t rung);

    LadderSettings settings_;
    std::vector<Rung> rungs_;
    std::vector<std::int64_t> population_;   // how many the rung will have in all; -1 until sh's barrier settles it
    std::vector<std::int8_t> running_rung_;  // of each candidate that has entered; -1 while it does not run
    std::int64_t running_ = 0;
};

}  // namespace ash
