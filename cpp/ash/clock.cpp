#include "ash/clock.hpp"

namespace ash {

std::optional<Job> GreedyClock::next(int) { return ladder_.next(); }

void GreedyClock::finish(int, const Job& job, double score, double loss) { ladder_.report(job, score, loss); }

bool GreedyClock::finished() const { return ladder_.finished(); }

}  // namespace ash
