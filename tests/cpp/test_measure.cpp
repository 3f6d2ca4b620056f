// Tests the measurements for benchmarks: they return the requested number of durations, all above zero, with teams and
// without.
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "ash/measure/measure.hpp"
#include "candidates_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

void check_times(const std::vector<double>& times, std::size_t count) {
    REQUIRE(times.size() == count);
    for (const double seconds : times) CHECK(seconds > 0.0);
}

}  // namespace

TEST_CASE("the peak speed of each instruction set can be measured") {
    for (const Kernels* each : available_kernels()) CHECK(fma_peak(*each, 0.01) > 0.0);
}

TEST_CASE_FIXTURE(Fixture, "steps of full and small batches are timed as often as requested") {
    for (const std::int64_t batch : {0, 32}) {
        Settings own = settings[1];
        own.batch_size = batch;
        check_times(time_steps(data, own, 3, 4, kernels("")), 4);
    }
}

TEST_CASE_FIXTURE(Fixture, "steps of a team are timed in pairs") {
    for (const int threads : {2, 3}) {
        const TeamTimes times = time_team(data, settings[2], 3, 2, threads, kernels(""));
        check_times(times.alone, 2);
        check_times(times.shared, 2);
        CHECK(times.round_trip > 0.0);
        CHECK(times.blocks >= 0);
    }
}
