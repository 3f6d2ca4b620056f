// An epoch allocates nothing. An executable of its own: allocations.cpp replaces operator new, which sanitizers want to
// keep.
#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "allocations.hpp"
#include "ash/evaluation.hpp"
#include "ash/trainer.hpp"
#include "training_data.hpp"

using namespace ash;
using namespace ash::testing;

TEST_CASE("an epoch allocates nothing, and neither does a score") {
    for (const auto& [classes, weighted] : {std::pair{0, false}, {4, false}, {0, true}, {4, true}}) {
        const Data data = make_data(500, 9, classes, 2, weighted);
        for (const std::int64_t batch : {0, 1, 32}) {
            const Settings settings = settings_of(Optimizer::adam, batch);
            Workspace workspace(data, {&settings, 1});
            State state = initial_state(data.shape(), settings, 0, 0);
            const Kernels& table = kernels("");
            const Metric metric = classes > 0 ? Metric::accuracy : Metric::r2;
            train(data, settings, {.epochs = 1, .seed = 0, .candidate = 0}, table, state, workspace);
            evaluate(data, state, metric, table, nullptr, workspace);
            const auto allocated = [&](std::int64_t epochs) {
                const std::int64_t before = allocations();
                train(data, settings, {.epochs = epochs, .seed = 0, .candidate = 0}, table, state, workspace);
                evaluate(data, state, metric, table, nullptr, workspace);
                return allocations() - before;
            };
            CHECK(allocated(1) == allocated(4));  // what a job takes at its beginning is all
            evaluate(data, state, metric, table, nullptr, workspace);
        }
    }
}

TEST_CASE("the count of allocations counts") {
    const std::int64_t before = allocations();
    const std::vector<double> some(100);
    CHECK(allocations() - before == 1);
    CHECK(allocated_bytes() >= 800);
}
