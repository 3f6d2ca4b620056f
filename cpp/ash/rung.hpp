// rung.hpp: one rung of the ladder: who finished in it, who waits to go up, who is among the best.
//
//     finish(entry)                       promote()
//     ------------> waiting (heap, the best on top) ------------> the next rung
//          |
//          |        best  (heap of m entries, the worst on top) <--+  kept only when asked for:
//          +------> others (heap, the best on top) ----------------+  together all that finished and did not diverge
//
// Order:       higher score, then lower loss, then lower candidate: total, so no tie is left to chance. An entry whose
//              score or loss is not finite has diverged: it ranks last, counts as finished and never waits.
// Invariants:  (1) waiting + promoted + diverged = finished;
//              (2) best holds min(m, finished - diverged) entries, where m is the target last set, and none of others
//                  is better than any of best; promoted entries stay in best and others;
//              (3) the waiting entry on top is among the best m iff it is no worse than the top of best.
// Threads:     none here; who owns the ladder locks.
// Cost:        finish and promote O(log n), all else O(1). 24 bytes an entry, twice that when the best are kept.

#pragma once

#include <cstdint>
#include <vector>

namespace ash {

// How one candidate ended in one rung.
struct Entry {
    double score;
    double loss;
    std::int32_t candidate;
};

// Whether a ranks before b. REQUIRES: neither has diverged.
bool better(const Entry& a, const Entry& b);

bool is_diverged(double score, double loss);

class Rung {
  public:
    // keep_best: whether among_best() will be asked; it doubles the memory.
    Rung(std::int64_t places, std::int64_t epochs, bool keep_best);

    void start() { ++running_; }

    // REQUIRES: running() > 0. best_target: how many entries the best shall hold from now on, never fewer than before.
    void finish(const Entry& entry, std::int64_t best_target);

    // Takes the best waiting entry off. REQUIRES: waiting() > 0.
    Entry promote();

    // Whether the best waiting entry is among the best. REQUIRES: keep_best. False when nobody waits.
    bool among_best() const;

    std::int64_t places() const { return places_; }
    std::int64_t epochs() const { return epochs_; }  // of one job
    std::int64_t running() const { return running_; }
    std::int64_t finished() const { return finished_; }  // diverged ones included
    std::int64_t promoted() const { return promoted_; }
    std::int64_t diverged() const { return diverged_; }
    std::int64_t waiting() const { return static_cast<std::int64_t>(waiting_.size()); }

  private:
    void fill_best(std::int64_t best_target);

    std::int64_t places_;
    std::int64_t epochs_;
    bool keeps_best_;
    std::int64_t running_ = 0;
    std::int64_t finished_ = 0;
    std::int64_t promoted_ = 0;
    std::int64_t diverged_ = 0;
    std::vector<Entry> waiting_;
    std::vector<Entry> best_;
    std::vector<Entry> others_;
};

}  // namespace ash
