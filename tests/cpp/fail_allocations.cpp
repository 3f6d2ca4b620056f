// The n-th allocation of a run fails, for every n: one std::bad_alloc, nothing left behind, and the next run is whole.
#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <new>
#include <system_error>
#include <vector>

#include "allocations.hpp"
#include "ash/run/candidates.hpp"
#include "ash/run/tuner.hpp"
#include "ash/train/digest.hpp"
#include "candidates_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

constexpr int kCandidates = 6;

// The hashes of all jobs of a run on two threads.
std::vector<std::uint64_t> run(const Fixture& fixture) {
    const std::vector<Fold> folds{fold_of(fixture.data)};
    Tuner tuner(std::make_unique<Candidates>(folds, make_settings(kCandidates), kCandidates, 2, 4'000),
                {.ladder = {}, .threads = 2, .workers = 3, .keep = 2});
    tuner.start();
    while (!tuner.wait(60.0)) continue;
    std::vector<std::uint64_t> hashes;
    for (const JobRecord& each : tuner.jobs()) hashes.push_back(each.weights_hash);
    return hashes;
}

}  // namespace

TEST_CASE("F63: the n-th allocation fails") {
    const Fixture fixture;
    const std::vector<std::uint64_t> expected = run(fixture);
    REQUIRE(expected.size() == 6 + 3);
    int failed = 0;
    for (std::int64_t n = 1;; n += n < 400 ? 1 : 7) {
        const std::int64_t before = live_allocations();
        fail_at(n);
        bool over = false;
        try {
            run(fixture);
            over = fail_at(0);  // it was not reached
        } catch (const std::bad_alloc&) {
            fail_at(0);
        } catch (const std::system_error&) {  // a thread that there was no memory for
            fail_at(0);
        }
        REQUIRE(live_allocations() == before);
        if (over) break;
        ++failed;
    }
    CHECK(failed > 200);
    CHECK(run(fixture) == expected);
}
