// Tests external candidates in a ladder together with networks: training, costs, and which candidates are kept.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "ash/run/tuner.hpp"
#include "candidates_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

constexpr int kCount = 16;
constexpr double kCost = 12345.0;

// Returns the settings of candidates of which every third is external.
std::vector<Settings> mixed_settings() {
    std::vector<Settings> all = make_settings(kCount);
    for (std::size_t i = 0; i < all.size(); i += 3) all[i] = {.external_cost = kCost};
    return all;
}

// Returns an arbitrary score without training. Candidate 6 diverges.
std::optional<Answer> scored(const Job& job, const std::atomic<bool>& /*stop*/) {
    if (job.candidate == 6) return Answer{.result = {.score = 0.0, .loss = HUGE_VAL}};
    const double score = 0.1 + 0.01 * job.candidate + 0.1 * job.rung;
    return Answer{.result = {.score = score, .loss = 1.0, .weights_hash = 7}, .fold_scores = {score}};
}

std::unique_ptr<Candidates> make_mixed(const Data& data, int threads, ExternalTrainer external) {
    return std::make_unique<Candidates>(std::vector<Fold>{fold_of(data)}, mixed_settings(), kCount, threads, kNoLimit,
                                        nullptr, std::move(external));
}

TunerSettings settings_of(int threads, int keep) {
    return {.ladder = {}, .threads = threads, .workers = 4, .keep = keep};
}

}  // namespace

TEST_CASE("networks and external candidates share one ladder, on any number of threads") {
    const Data data = make_data();
    std::vector<JobRecord> first;
    for (const int threads : {1, 4}) {
        Tuner tuner(make_mixed(data, threads, scored), settings_of(threads, 3));
        tuner.start();
        REQUIRE(tuner.wait(60.0));
        std::map<bool, int> jobs;
        std::vector<JobRecord> records = tuner.records().jobs();
        for (const JobRecord& each : records) {
            ++jobs[each.external];
            CHECK(each.external == (each.task.job.candidate % 3 == 0));
            if (each.external) {
                CHECK(each.task.finish - each.task.start ==
                      doctest::Approx(kCost * static_cast<double>(each.task.job.epochs)));
                CHECK(each.diverged == (each.task.job.candidate == 6));
            }
        }
        CHECK(jobs[false] >= 10);
        CHECK(jobs[true] >= 6);
        std::map<bool, int> kept;
        for (const Kept& each : tuner.kept()) {
            ++kept[each.external];
            CHECK(each.states.empty() == each.external);
        }
        CHECK(kept[false] == 3);
        CHECK(kept[true] == 3);
        CHECK(without_states(tuner.kept()).empty());
        tuner.complete(100, [] { return false; });  // trains nothing, since no kept network lacks its state
        if (first.empty()) first = records;
        REQUIRE(records.size() == first.size());
        for (std::size_t i = 0; i < records.size(); ++i) {
            CHECK(records[i].task.job.candidate == first[i].task.job.candidate);
            CHECK(records[i].weights_hash == first[i].weights_hash);
        }
    }
}

TEST_CASE("a stopped external job leaves no record, and an exception of its trainer ends the run") {
    const Data data = make_data();
    Tuner stopped(make_mixed(data, 2,
                             [](const Job&, const std::atomic<bool>& stop) -> std::optional<Answer> {
                                 while (!stop) std::this_thread::yield();
                                 return std::nullopt;
                             }),
                  settings_of(2, 1));
    stopped.start();
    CHECK_FALSE(stopped.wait(0.1));
    stopped.stop();
    REQUIRE(stopped.wait(60.0));
    for (const JobRecord& each : stopped.records().jobs()) CHECK_FALSE(each.external);
    Tuner failing(make_mixed(data, 2,
                             [](const Job&, const std::atomic<bool>&) -> std::optional<Answer> {
                                 throw std::runtime_error("no trainer");
                             }),
                  settings_of(2, 1));
    failing.start();
    CHECK_THROWS_AS(static_cast<void>(failing.wait(60.0)), std::runtime_error);
}

TEST_CASE("external candidates require a trainer, and have no states") {
    const Data data = make_data();
    CHECK_THROWS_AS(make_mixed(data, 1, {}), std::invalid_argument);
    const auto all = make_mixed(data, 1, scored);
    CHECK(all->is_external(0));
    CHECK_FALSE(all->is_external(1));
    CHECK(all->step_cost(0) == 0.0);
    CHECK_THROWS_AS(all->restore(0, 0, {}), std::invalid_argument);
    Settings negative{.external_cost = -1.0};
    CHECK_THROWS_AS(check(negative), std::invalid_argument);
}
