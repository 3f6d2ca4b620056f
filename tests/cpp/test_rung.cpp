// Compares a rung of the ladder with its naive twin.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "ash/search/rung.hpp"

namespace {

using ash::Entry;
using ash::Rung;

// The naive twin of a rung keeps one list and sorts it for every query.
struct SortedRung {
    std::vector<Entry> finished;
    std::vector<std::int32_t> promoted;
    std::vector<std::int32_t> unranked;

    bool waits(const Entry& entry) const { return std::ranges::count(promoted, entry.candidate) == 0; }

    std::vector<Entry> ranking() const {
        std::vector<Entry> all;
        for (const Entry& entry : finished) {
            const bool out = std::ranges::count(unranked, entry.candidate) > 0;
            if (!out && !ash::is_diverged(entry.score, entry.loss)) all.push_back(entry);
        }
        std::ranges::sort(all, ash::better);
        return all;
    }

    // Returns the waiting candidates among ranks first .. end - 1, the best first.
    std::vector<std::int32_t> waiting(std::int64_t first, std::int64_t end) const {
        const std::vector<Entry> all = ranking();
        std::vector<std::int32_t> found;
        for (std::int64_t rank = first; rank < std::min(end, std::ssize(all)); ++rank) {
            const Entry& entry = all[static_cast<std::size_t>(rank)];
            if (waits(entry)) found.push_back(entry.candidate);
        }
        return found;
    }
};

double random_score(std::mt19937& random) {
    const auto level = static_cast<int>(random() % 12);
    return level == 0 ? std::numeric_limits<double>::quiet_NaN() : level / 4;  // few levels, so most scores are ties
}

}  // namespace

TEST_CASE("entries are ordered by higher score, lower loss, lower candidate") {
    CHECK(ash::better({2.0, 9.0, 9}, {1.0, 0.0, 0}));
    CHECK(ash::better({1.0, 0.5, 9}, {1.0, 0.6, 0}));
    CHECK(ash::better({1.0, 0.5, 3}, {1.0, 0.5, 4}));
    CHECK_FALSE(ash::better({1.0, 0.5, 4}, {1.0, 0.5, 3}));
    CHECK_FALSE(ash::better({1.0, 0.5, 4}, {1.0, 0.5, 4}));
}

TEST_CASE("a rung agrees with its sorted twin, in any order of results and promotions") {
    std::mt19937 random(1);
    constexpr std::int32_t kCount = 400;
    for (const std::int64_t eta : {2, 3, 7}) {
        Rung rung(kCount, 1, true);
        SortedRung twin;
        std::int64_t limit = kCount;
        std::int64_t aside = 0;  // number of unranked entries that have not diverged
        std::vector<std::int32_t> retired;
        for (std::int32_t candidate = 0; candidate < kCount; ++candidate) {
            const Entry entry{random_score(random), random_score(random), candidate};
            const bool ranked = random() % 8 > 0;
            const auto best = (rung.finished() + 1) / eta;
            rung.start();
            rung.finish(entry, best, ranked);
            twin.finished.push_back(entry);
            if (!ranked) twin.unranked.push_back(candidate);
            if (!ranked && !ash::is_diverged(entry.score, entry.loss)) ++aside;
            limit = std::max<std::int64_t>(kCount / eta, limit - static_cast<std::int64_t>(random() % 2));
            rung.keep(limit, retired);
            std::vector<std::int32_t> out = twin.waiting(limit, kCount);
            REQUIRE(std::ranges::is_permutation(retired, out));
            REQUIRE(rung.retired() == std::ssize(out) + aside);
            REQUIRE(rung.waiting() == std::ssize(twin.waiting(0, limit)));
            const std::vector<std::int32_t> promotable = twin.waiting(0, best);
            REQUIRE(rung.promotable() == std::ssize(promotable));
            if (promotable.empty() || random() % 3 == 0) continue;  // sometimes no promotion is requested
            const Entry up = rung.promote();
            REQUIRE(up.candidate == promotable.front());
            twin.promoted.push_back(up.candidate);
        }
        CHECK(retired.size() > 10);
        CHECK(aside > 10);
    }
}
