// store.hpp: the states of all candidates that may be trained further, within a limit of bytes.
//
//                   add                 wait                      drop, when bytes > limit: least promising first
//     (no state) ---------> at work ------------> waiting -----------------------------------------> (no state)
//                              ^  <-----------------  |                                                   ^
//                              |        resume        |  release                                          |
//                              |                      +---------------------------------------------------+
//                              +-- publish: shared from then on, never written again; resume gives a copy
//
// A dropped state can be computed again, since training is deterministic. So the store is a cache: dropping costs time
// and changes no result. A state takes the same bytes in any rung, and one of the lowest rung is the cheapest to train
// again. So the lowest rung is dropped first, and its worst candidates first.
//
// Order:       of dropping: lower rung, then lower score, higher loss, higher candidate.
// Invariants:  (1) held bytes are those of all arenas (weights and moments) that exist; a state is counted before it is
//                  allocated and until it is freed, whatever holds it last;
//              (2) held bytes <= max(limit, at work + published): when the limit would be exceeded, waiting states are
//                  freed before a new one is allocated, as long as any is held by the store alone;
//              (3) a state at work, or one that is also held elsewhere, is never dropped;
//              (4) a candidate that waits has diverged in no rung.
// Threads:     any; one mutex guards all but the states themselves. A state at work belongs to the thread that resumed or
//              added it, until wait(). The count of bytes is atomic, since any thread may free a state.
// Cost:        O(log n) each; about 200 bytes per state beside its arenas. Arenas are freed under the mutex, and made
//              outside of it.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

#include "ash/model/settings.hpp"
#include "ash/model/state.hpp"
#include "ash/search/rung.hpp"

namespace ash {

struct MemoryUse {
    std::int64_t limit = 0;       // bytes; 0: none
    std::int64_t peak_bytes = 0;  // the most that was held at once
    std::int64_t held_bytes = 0;
    std::int64_t dropped = 0;           // states
    std::int64_t retrained_epochs = 0;  // because states were dropped or missing
};

// The bytes of the arenas that initial_state() makes.
std::int64_t state_bytes(const Layout& layout, Optimizer optimizer);

class StateStore {
  public:
    explicit StateStore(std::int64_t limit) : limit_(limit) {}

    // Adds a state for a candidate, in place of the one it had. make() is called when there is room. The state is at
    // work.
    std::shared_ptr<State> add(std::int32_t candidate, std::int64_t bytes, const std::function<State()>& make);

    // Puts the candidate's state to work, a copy if it was published; null if there is none.
    std::shared_ptr<State> resume(std::int32_t candidate);

    // Publishes the state at work, to be read for as long as it is held; null if none is at work.
    std::shared_ptr<const State> publish(std::int32_t candidate);

    // Publishes the state of a candidate that waits in this rung; null if it does not.
    std::shared_ptr<const State> share(std::int32_t candidate, std::int32_t rung);

    // From now on the state at work, if there is one, may be dropped. REQUIRES: the entry has not diverged.
    void wait(std::int32_t rung, const Entry& entry);

    // The candidate no longer needs its state; it may have none.
    void release(std::int32_t candidate);

    MemoryUse use() const;  // no epochs

  private:
    struct Waiting {
        std::int32_t rung;
        Entry entry;
        bool operator<(const Waiting& other) const {
            return rung != other.rung ? rung < other.rung : better(other.entry, entry);
        }
    };
    struct Held {
        std::shared_ptr<State> state;
        bool published;
        std::set<Waiting>::iterator waiting;  // end(): at work
    };

    void make_room(std::int64_t bytes);
    void stop_waiting(Held& held);

    const std::int64_t limit_;
    const std::shared_ptr<std::atomic<std::int64_t>> bytes_ = std::make_shared<std::atomic<std::int64_t>>(0);

    mutable std::mutex mutex_;  // guards all below
    std::unordered_map<std::int32_t, Held> held_;
    std::set<Waiting> waiting_;
    std::int64_t peak_ = 0;
    std::int64_t dropped_ = 0;
};

}  // namespace ash
