// rung.hpp: one rung of the ladder: ranks the candidates that have finished in it, and counts all candidates.
//
//     finish(entry)             promote()
//     ------------> waiting ------------> the next rung              keep_best false: only waiting entries are ranked;
//                      |                                             promoted entries are forgotten
//                      +----> retired     keep(count)
//
//     keep_best true: all finished entries that did not diverge are ranked together, including promoted entries:
//
//     rank    0                   m                      count
//             |      `best`       |       `others`        |  forgotten
//     waiting | may be promoted   |  may rise to `best`   |  retired
//    promoted | holds a place     |  may rise to `best`   |
//
//     m grows as candidates finish; `count` never grows
//
// Order:       higher score, then lower loss, then lower candidate number. This is a total order, so ties never depend
//              on timing. An entry with a non-finite score or loss has diverged: it counts as finished and never waits.
//              An entry for which `ranked` is false in finish() never waits either; it counts as retired.
// Invariants:  (1) waiting + promoted + diverged + retired = finished;
//              (2) `best` and `others` together hold every ranked entry except those that keep() has dropped, which are
//                  the worst;
//              (3) keep_best: `best` holds m entries, where m is the last `best_target`, or all entries if there are
//                  fewer. No entry in `others` is better than any entry in `best`. Without keep_best, `best` is empty;
//              (4) no entry is in both `best` and `others`. With keep_best, a waiting entry may be promoted if and only
//                  if it is in `best`.
// Threads:     not thread-safe; the owner of the ladder must lock.
// Cost:        finish and promote O(log n), keep O(log n) per dropped entry, all other calls O(1). 24 bytes per kept
//              entry.

#pragma once

#include <cstdint>
#include <vector>

#include "ash/search/minmax_heap.hpp"

namespace ash {

// The result of one candidate in one rung.
struct Entry {
    double score;
    double loss;
    std::int32_t candidate;
};

// Returns whether a ranks before b. REQUIRES: neither has diverged.
bool better(const Entry& a, const Entry& b);

bool is_diverged(double score, double loss);

class Rung {
  public:
    // keep_best: whether promoted entries are ranked as well, which promotable() requires.
    Rung(std::int64_t places, std::int64_t epochs, bool keep_best);

    void start() { ++running_; }

    // Records the result of a running candidate. REQUIRES: running() > 0. best_target: the number of entries that
    // `best` holds from now on, never lower than before. ranked: whether the entry may be promoted, if it has not
    // diverged.
    void finish(const Entry& entry, std::int64_t best_target, bool ranked);

    // Removes the best waiting entry. REQUIRES: waiting() > 0, and with keep_best promotable() > 0.
    Entry promote();

    // Drops the worst entries until at most `count` are ranked. Appends to `retired` the candidates of dropped entries
    // that were waiting, since they can no longer be promoted. REQUIRES: `count` is at least 0 and, with keep_best, at
    // least the last `best_target`.
    void keep(std::int64_t count, std::vector<std::int32_t>& retired);

    // Returns the number of waiting entries in `best`. REQUIRES: keep_best.
    std::int64_t promotable() const { return std::ssize(best_.waiting); }

    std::int64_t places() const { return places_; }
    std::int64_t epochs() const { return epochs_; }  // epochs of each job in this rung
    std::int64_t running() const { return running_; }
    std::int64_t finished() const { return finished_; }  // including diverged entries
    std::int64_t promoted() const { return promoted_; }
    std::int64_t diverged() const { return diverged_; }
    std::int64_t waiting() const { return std::ssize(best_.waiting) + std::ssize(others_.waiting); }
    std::int64_t retired() const { return finished_ - diverged_ - promoted_ - waiting(); }

  private:
    struct Better {
        bool operator()(const Entry& a, const Entry& b) const { return better(a, b); }
    };
    using Heap = MinMaxHeap<Entry, Better>;

    // The entries of a range of consecutive ranks.
    struct Group {
        Heap waiting;
        Heap promoted;

        std::int64_t size() const { return std::ssize(waiting) + std::ssize(promoted); }
        // with_best() returns the heap that holds the group's best entry, with_worst() the heap that holds its worst.
        // REQUIRES: the group is not empty.
        Heap Group::* with_best() const;
        Heap Group::* with_worst() const;
    };

    void fill_best(std::int64_t best_target);
    void raise_best_other();

    std::int64_t places_;
    std::int64_t epochs_;
    bool keeps_best_;
    std::int64_t running_ = 0;
    std::int64_t finished_ = 0;
    std::int64_t promoted_ = 0;
    std::int64_t diverged_ = 0;
    Group best_;
    Group others_;
};

}  // namespace ash
