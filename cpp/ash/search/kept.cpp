#include "ash/search/kept.hpp"

#include <algorithm>
#include <utility>

#include "ash/search/rung.hpp"

namespace ash {
namespace {

bool precedes(const Kept& a, const Kept& b) {
    const Entry first{a.score, a.loss, a.candidate};
    const Entry second{b.score, b.loss, b.candidate};
    if (better(first, second)) return true;
    return !better(second, first) && a.rung < b.rung;
}

// Returns the worst of the kept external candidates (if `external`) or of the kept networks (otherwise), if there are
// already `most` of them. If there are fewer, returns end().
template <typename Entries>
auto last_place(Entries& kept, bool external, std::size_t most) {
    std::size_t taken = 0;
    return std::find_if(kept.begin(), kept.end(), [&](const Kept& each) {
        taken += each.external == external ? 1 : 0;
        return taken == most;
    });
}

template <typename Entries>
auto of_candidate(Entries& kept, std::int32_t candidate) {
    return std::find_if(kept.begin(), kept.end(), [=](const Kept& each) { return each.candidate == candidate; });
}

}  // namespace

bool BestCandidates::would_keep(const Kept& job) const {
    const auto last = last_place(kept_, job.external, most_);
    if (last != kept_.end() && !precedes(job, *last)) return false;
    const auto own = of_candidate(kept_, job.candidate);
    return own == kept_.end() || precedes(job, *own);
}

States BestCandidates::keep(Kept job) {
    States freed;
    auto leaves = of_candidate(kept_, job.candidate);
    if (leaves == kept_.end()) leaves = last_place(kept_, job.external, most_);
    if (leaves != kept_.end()) {
        freed = std::move(leaves->states);
        kept_.erase(leaves);
    }
    kept_.insert(std::upper_bound(kept_.begin(), kept_.end(), job, precedes), std::move(job));
    return freed;
}

void BestCandidates::fill(const Kept& job, States states) {
    const auto own = of_candidate(kept_, job.candidate);
    if (own != kept_.end() && own->rung == job.rung && own->states.empty()) own->states = std::move(states);
}

}  // namespace ash
