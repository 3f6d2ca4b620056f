// rebuild.hpp: the states of kept candidates that an earlier run has trained and not left, made once more.
//
//     results of a journal -> kept: candidate 7 in rung 3, no states  ->  rungs 0, 1, 2, 3 of candidate 7  ->  its states
//
// Order:       of no account: a state is a function of its candidate and rung.
// Threads:     as many as there are, one network each; none of them may run jobs of these candidates meanwhile. The
//              caller waits, and looks up now and then.
// Cost:        the epochs of all rungs up to the kept one.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "ash/run/candidates.hpp"
#include "ash/search/kept.hpp"
#include "ash/search/rung.hpp"

namespace ash {

using Rebuilt = std::function<void(const Kept& kept, States states)>;

// Calls rebuilt() with each that is missing, from any thread, several at once. stop() is asked at once and every few
// milliseconds, by the caller's thread; true: whatever is under way is given up. Throws what a thread or stop() throws, and
// std::runtime_error where a state is not the one that the result was of.
void rebuild(Candidates& candidates, std::span<const Kept> missing, std::span<const Rung> rungs, int threads,
             const std::function<bool()>& stop, const Rebuilt& rebuilt);

}  // namespace ash
