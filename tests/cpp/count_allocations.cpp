// An epoch allocates nothing. An executable of its own: allocations.cpp replaces operator new, which sanitizers want to
// keep.
#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "allocations.hpp"
#include "ash/train/evaluation.hpp"
#include "ash/train/trainer.hpp"
#include "recipe_help.hpp"
#include "training_data.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

// What a job of so many epochs and a score allocate, in a workspace that both have used before.
std::int64_t allocated(const Data& data, const Settings& settings, std::int64_t epochs) {
    Workspace workspace(data, {&settings, 1});
    State state = initial_state(data.shape(), settings, 0, 0);
    std::int64_t before = 0;
    for (const std::int64_t next : {std::int64_t{1}, epochs}) {
        before = allocations();
        train(data, settings, {.epochs = next, .seed = 0, .candidate = 0}, kernels(""), state, workspace);
        evaluate(data, state, data.classes() > 0 ? Metric::accuracy : Metric::r2, kernels(""), nullptr, workspace);
    }
    return allocations() - before;
}

}  // namespace

TEST_CASE("an epoch allocates nothing, and neither does a score") {
    for (const auto& [classes, weighted] : {std::pair{0, false}, {4, false}, {0, true}, {4, true}}) {
        const Data plain = make_data(500, 9, classes, 2, weighted);
        const Data mixed = make_mixed_data(500, classes, weighted);
        for (const std::int64_t batch : {0, 1, 32}) {
            const Settings settings = settings_of(Optimizer::adam, batch);
            // What a job takes at its beginning is all.
            CHECK(allocated(plain, settings, 1) == allocated(plain, settings, 4));
            const Settings all = recipe(Optimizer::adam, batch);
            CHECK(allocated(mixed, all, 1) == allocated(mixed, all, 4));
        }
    }
}

TEST_CASE("the count of allocations counts") {
    const std::int64_t before = allocations();
    const std::vector<double> some(100);
    CHECK(allocations() - before == 1);
    CHECK(allocated_bytes() >= 800);
}
