// store.hpp: holds the states of all candidates that may be trained further, within a limit of bytes.
//
//                   add                 wait                      drop, when bytes > limit: least promising first
//     (no state) ---------> at work ------------> waiting -----------------------------------------> (no state)
//                              ^  <-----------------  |                                                   ^
//                              |        resume        |  release                                          |
//                              |                      +---------------------------------------------------+
//                              +-- publish: shared from then on, never written again; resume returns a copy
//
// A dropped state can be recomputed, since training is deterministic. So the store is a cache: dropping costs time but
// changes no result. A candidate's state has the same size in every rung, but a state of a lower rung is cheaper to
// train again. So states of the lowest rung are dropped first, starting with the worst candidate.
//
// Order:       states are dropped in order of lower rung, then lower score, higher loss, and higher candidate number.
// Invariants:  (1) held bytes are the bytes of all existing arenas (weights and moments). A state is counted from just
//                  before its allocation until it is freed, even if its last owner is outside the store;
//              (2) if there is a limit, held bytes <= max(limit, bytes of the states at work or published). If a new
//                  state would exceed the limit, waiting states that only the store holds are freed first;
//              (3) a state is never dropped while it is at work or is also held outside the store;
//              (4) a waiting candidate has never diverged.
// Threads:     any thread; one mutex guards everything except the contents of states. A state at work belongs to the
//              job for which it was resumed or added, until wait() or release() is called. The byte count is atomic,
//              since any thread may free a state.
// Cost:        O(log n) per call; about 200 bytes per state in addition to its arenas. The store frees arenas while it
//              holds the mutex, and allocates them without it.

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
    std::int64_t limit = 0;       // maximum number of bytes; 0 for no limit
    std::int64_t peak_bytes = 0;  // the maximum number of bytes held at once
    std::int64_t held_bytes = 0;
    std::int64_t dropped = 0;           // number of states dropped so far
    std::int64_t retrained_epochs = 0;  // epochs trained again because states were dropped or missing
};

// Returns the total number of bytes of the arenas that initial_state() allocates.
std::int64_t state_bytes(const Layout& layout, Optimizer optimizer);

class StateStore {
  public:
    explicit StateStore(std::int64_t limit) : limit_(limit) {}

    // Adds a state for a candidate and replaces the previous state, if any. First makes room for `bytes`, as far as
    // possible. Then calls make() to create the state, which is at work from then on.
    std::shared_ptr<State> add(std::int32_t candidate, std::int64_t bytes, const std::function<State()>& make);

    // Returns the candidate's state, or a copy if the state was published. The returned state is at work. Returns null
    // if there is no state.
    std::shared_ptr<State> resume(std::int32_t candidate);

    // Publishes the candidate's state at work. The caller may read the state as long as it holds the returned pointer.
    // Returns null if the candidate has no state at work.
    std::shared_ptr<const State> publish(std::int32_t candidate);

    // Publishes the state of a candidate that waits in this rung. Returns null if the candidate does not wait there.
    std::shared_ptr<const State> share(std::int32_t candidate, std::int32_t rung);

    // Marks the state at work of the entry's candidate, if any, as waiting. From now on it may be dropped. REQUIRES:
    // the entry has not diverged.
    void wait(std::int32_t rung, const Entry& entry);

    // Frees the candidate's state, if it has one.
    void release(std::int32_t candidate);

    MemoryUse use() const;  // retrained_epochs is 0, since the store does not train

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
        std::set<Waiting>::iterator waiting;  // position in waiting_; waiting_.end() while at work
    };

    void make_room(std::int64_t bytes);
    void stop_waiting(Held& held);

    const std::int64_t limit_;
    const std::shared_ptr<std::atomic<std::int64_t>> bytes_ = std::make_shared<std::atomic<std::int64_t>>(0);

    mutable std::mutex mutex_;  // guards all members below
    std::unordered_map<std::int32_t, Held> held_;
    std::set<Waiting> waiting_;
    std::int64_t peak_ = 0;
    std::int64_t dropped_ = 0;
};

}  // namespace ash
