#include "ash/search/rung.hpp"

#include <cmath>

namespace ash {

bool better(const Entry& a, const Entry& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.loss != b.loss) return a.loss < b.loss;
    return a.candidate < b.candidate;
}

bool is_diverged(double score, double loss) { return !std::isfinite(score) || !std::isfinite(loss); }

Rung::Rung(std::int64_t places, std::int64_t epochs, bool keep_best)
    : places_(places), epochs_(epochs), keeps_best_(keep_best) {}

void Rung::finish(const Entry& entry, std::int64_t best_target, bool ranked) {
    --running_;
    ++finished_;
    if (is_diverged(entry.score, entry.loss)) {
        ++diverged_;
    } else if (ranked) {
        others_.waiting.push(entry);
    }
    if (keeps_best_) fill_best(best_target);
}

Entry Rung::promote() {
    ++promoted_;
    if (!keeps_best_) return others_.waiting.pop_best();
    const Entry entry = best_.waiting.pop_best();
    best_.promoted.push(entry);
    return entry;
}

void Rung::keep(std::int64_t count, std::vector<std::int32_t>& retired) {
    while (best_.size() + others_.size() > count) {
        const auto heap = others_.with_worst();
        const Entry worst = (others_.*heap).pop_worst();
        if (heap == &Group::waiting) retired.push_back(worst.candidate);
    }
}

// Call after adding a new entry to others_. If it is better than the worst entry of best_, the two are swapped. Then
// best_ grows to its target.
void Rung::fill_best(std::int64_t best_target) {
    if (best_.size() > 0 && others_.size() > 0) {
        const auto heap = best_.with_worst();
        const Entry worst = (best_.*heap).worst();
        if (better((others_.*others_.with_best()).best(), worst)) {
            raise_best_other();
            (best_.*heap).pop_worst();
            (others_.*heap).push(worst);
        }
    }
    while (best_.size() < best_target && others_.size() > 0) raise_best_other();
}

void Rung::raise_best_other() {
    const auto heap = others_.with_best();
    (best_.*heap).push((others_.*heap).pop_best());
}

Rung::Heap Rung::Group::* Rung::Group::with_best() const {
    if (waiting.empty()) return &Group::promoted;
    if (promoted.empty()) return &Group::waiting;
    return better(waiting.best(), promoted.best()) ? &Group::waiting : &Group::promoted;
}

Rung::Heap Rung::Group::* Rung::Group::with_worst() const {
    if (waiting.empty()) return &Group::promoted;
    if (promoted.empty()) return &Group::waiting;
    return better(waiting.worst(), promoted.worst()) ? &Group::promoted : &Group::waiting;
}

}  // namespace ash
