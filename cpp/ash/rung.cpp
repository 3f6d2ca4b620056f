#include "ash/rung.hpp"

#include <algorithm>
#include <cmath>

namespace ash {

namespace {

// std heaps keep the element on top that no other one exceeds, so "less" puts the best on top, "greater" the worst.
bool best_on_top(const Entry& a, const Entry& b) { return better(b, a); }
bool worst_on_top(const Entry& a, const Entry& b) { return better(a, b); }

template <typename Compare>
void push(std::vector<Entry>& heap, const Entry& entry, Compare compare) {
    heap.push_back(entry);
    std::push_heap(heap.begin(), heap.end(), compare);
}

template <typename Compare>
Entry pop(std::vector<Entry>& heap, Compare compare) {
    std::pop_heap(heap.begin(), heap.end(), compare);
    const Entry top = heap.back();
    heap.pop_back();
    return top;
}

}  // namespace

bool better(const Entry& a, const Entry& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.loss != b.loss) return a.loss < b.loss;
    return a.candidate < b.candidate;
}

bool is_diverged(double score, double loss) { return !std::isfinite(score) || !std::isfinite(loss); }

Rung::Rung(std::int64_t places, std::int64_t epochs, bool keep_best)
    : places_(places), epochs_(epochs), keeps_best_(keep_best) {}

void Rung::finish(const Entry& entry, std::int64_t best_target) {
    --running_;
    ++finished_;
    if (is_diverged(entry.score, entry.loss)) {
        ++diverged_;
    } else {
        push(waiting_, entry, best_on_top);
        if (keeps_best_) push(others_, entry, best_on_top);
    }
    if (keeps_best_) fill_best(best_target);
}

Entry Rung::promote() {
    ++promoted_;
    return pop(waiting_, best_on_top);
}

bool Rung::among_best() const {
    return !waiting_.empty() && !best_.empty() && !better(best_.front(), waiting_.front());
}

// The newcomer is on probation in others_: it may push out the worst of best_; then the best grow to their target.
void Rung::fill_best(std::int64_t best_target) {
    if (!best_.empty() && !others_.empty() && better(others_.front(), best_.front())) {
        const Entry riser = pop(others_, best_on_top);
        push(others_, pop(best_, worst_on_top), best_on_top);
        push(best_, riser, worst_on_top);
    }
    while (static_cast<std::int64_t>(best_.size()) < best_target && !others_.empty()) {
        push(best_, pop(others_, best_on_top), worst_on_top);
    }
}

}  // namespace ash
