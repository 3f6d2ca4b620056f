// kept.hpp: the best candidates so far. Each is represented by its best job, together with the states after that job.
//
//     jobs      0 in r0: 0.7    1 in r0: 0.9    2 in r0: 0.8    1 in r1: 0.6    0 in r1: 0.8
//     kept, 2   0               1 0             1 2             1 2             1 0
//               (`most` = 2; ties: lower candidate number)
//
// Order:       best first: higher score, then lower loss, then lower candidate number, then lower rung. A diverged
//              job is never kept.
// Invariants:  (1) at most `most` networks and at most `most` external candidates are kept, with one entry per
//                  candidate;
//              (2) of each kind (networks or external), the kept candidates are the best `most` that were offered,
//                  regardless of the order of jobs. An entry is replaced only by a better one;
//              (3) so the first entry is the best job ever offered.
// Threads:     none; Records guards it.
// Cost:        O(most) per job, and O(most) moves of 64 bytes for a job that is kept. The store (store.hpp) shares the
//              kept states and counts their bytes: up to `most` states per fold in addition to those at work or
//              waiting.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ash/model/state.hpp"

namespace ash {

struct Kept {
    std::int32_t candidate;
    std::int32_t rung;
    double score;
    double loss;
    States states;  // empty while the states are not in this process (from an earlier run, or on a remote worker)
    std::uint64_t weights_hash = 0;  // hash of the weights, from Result (training_job.hpp)
    bool external = false;           // whether the candidate is not a network, so it has no states
};

// with_states() returns the entries that have states. without_states() returns the networks that lack them.
inline std::vector<Kept> with_states(std::vector<Kept> kept) {
    std::erase_if(kept, [](const Kept& each) { return each.states.empty(); });
    return kept;
}
inline std::vector<Kept> without_states(std::vector<Kept> kept) {
    std::erase_if(kept, [](const Kept& each) { return each.external || !each.states.empty(); });
    return kept;
}

class BestCandidates {
  public:
    // REQUIRES: most >= 1.
    explicit BestCandidates(int most) : most_(static_cast<std::size_t>(most)) {}

    // Returns whether this job would become one of the kept entries; its states are not read. REQUIRES: the job has not
    // diverged.
    bool would_keep(const Kept& job) const;

    // Adds the job and returns the states of the entry that it replaces, if any, for the caller to free.
    // REQUIRES: would_keep(job).
    States keep(Kept job);

    // Adds the states to the entry of this job, if the job is still kept and its entry has no states.
    void fill(const Kept& job, States states);

    std::span<const Kept> all() const { return kept_; }  // best first

  private:
    const std::size_t most_;
    std::vector<Kept> kept_;
};

}  // namespace ash
