// Compares the candidates that a run keeps with those found by brute force over its jobs, for any order of jobs,
// number of threads and limits.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/run/tuner.hpp"
#include "ash/search/kept.hpp"
#include "ash/search/records.hpp"
#include "ash/train/digest.hpp"
#include "candidates_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Rank = std::tuple<double, double, int, int>;  // sort key: -score, loss, candidate, rung

Rank rank(const JobRecord& record) {
    return {-record.score, record.loss, record.task.job.candidate, record.task.job.rung};
}

Rank rank(const Kept& kept) { return {-kept.score, kept.loss, kept.candidate, kept.rung}; }

JobRecord record_of(std::int32_t candidate, std::int32_t rung, double score, double loss) {
    return {.task = {.job = {candidate, rung, std::int64_t{1} << rung}, .worker = 0, .start = 0.0, .finish = 0.0},
            .thread = 0,
            .score = score,
            .loss = loss,
            .training_loss = 0.0,
            .weights_hash = 0,
            .start = 0.0,
            .end = 0.0,
            .team = 1,
            .diverged = is_diverged(score, loss)};
}

// Returns the best job of each candidate, best first, but at most `most` jobs of each kind (network or external).
std::vector<Rank> by_force(const std::vector<JobRecord>& jobs, std::size_t most) {
    std::map<int, Rank> best;
    std::map<int, bool> external;
    for (const JobRecord& each : jobs) {
        if (each.diverged) continue;
        external[each.task.job.candidate] = each.external;
        const auto [found, is_new] = best.emplace(each.task.job.candidate, rank(each));
        if (!is_new) found->second = std::min(found->second, rank(each));
    }
    std::vector<Rank> all;
    for (const auto& [candidate, its_best] : best) all.push_back(its_best);
    std::sort(all.begin(), all.end());
    std::map<bool, std::size_t> taken;
    std::erase_if(all, [&](const Rank& each) { return ++taken[external[std::get<2>(each)]] > most; });
    return all;
}

std::vector<Rank> ranks(const std::vector<Kept>& kept) {
    std::vector<Rank> all;
    for (const Kept& each : kept) all.push_back(rank(each));
    return all;
}

// Returns jobs whose scores and losses have few distinct values, so ties occur. Some of the jobs diverge.
std::vector<JobRecord> random_jobs(std::mt19937& random) {
    std::vector<JobRecord> jobs;
    for (std::int32_t candidate = 0; candidate < 12; ++candidate) {
        const auto rungs = static_cast<std::int32_t>(random() % 4);
        const bool external = random() % 3 == 0;
        for (std::int32_t rung = 0; rung < rungs; ++rung) {
            const bool diverged = random() % 8 == 0;
            jobs.push_back(record_of(candidate, rung, diverged ? kNan : static_cast<double>(random() % 4),
                                     static_cast<double>(random() % 3)));
            jobs.back().external = external;
        }
    }
    return jobs;
}

struct Started {
    std::unique_ptr<Tuner> tuner;
    Candidates* candidates;
};

Started begin(const Fixture& fixture, int threads, int keep, std::int64_t limit, Continuation continuation) {
    auto candidates = std::make_unique<Candidates>(std::vector<Fold>{fold_of(fixture.data, continuation)},
                                                   fixture.settings, std::ssize(fixture.settings), threads, limit);
    Candidates* own = candidates.get();
    auto tuner = std::make_unique<Tuner>(std::move(candidates),
                                         TunerSettings{.ladder = {}, .threads = threads, .workers = 4, .keep = keep});
    tuner->start();
    return {std::move(tuner), own};
}

Started tune(const Fixture& fixture, int threads, int keep, std::int64_t limit, Continuation continuation) {
    Started started = begin(fixture, threads, keep, limit, continuation);
    REQUIRE(started.tuner->wait(60.0));
    return started;
}

double accuracy(const Data& data, const float* predictions) {
    const Rows& rows = data.validation();
    RunningScore score;
    score.begin(Metric::accuracy, {.rows = rows.count, .outputs = kClasses, .labels = rows.labels});
    score.add({predictions, rows.count, kClasses, kClasses});
    return score.score(0.0);
}

}  // namespace

TEST_CASE("records keep the candidates that brute force finds, in any order of the jobs") {
    std::mt19937 random(7);
    for (int round = 0; round < 400; ++round) {
        std::vector<JobRecord> jobs = random_jobs(random);
        const auto most = static_cast<int>(1 + random() % 14);
        const std::vector<Rank> expected = by_force(jobs, static_cast<std::size_t>(most));
        for (int order = 0; order < 3; ++order) {
            std::shuffle(jobs.begin(), jobs.end(), random);
            Records records(most);
            for (const JobRecord& each : jobs) {
                if (!records.would_keep(each)) continue;
                auto state = std::make_shared<State>();
                state->epochs = each.task.job.candidate * 10 + each.task.job.rung;
                records.keep(each, {state});
            }
            const std::vector<Kept> kept = records.kept();
            CHECK(ranks(kept) == expected);
            for (const Kept& each : kept) CHECK(each.states.front()->epochs == each.candidate * 10 + each.rung);
        }
    }
}

TEST_CASE("states of replaced entries are released") {
    Records records(2);
    std::vector<std::weak_ptr<const State>> states;
    const auto offer = [&](std::int32_t candidate, std::int32_t rung, double score) {
        const JobRecord record = record_of(candidate, rung, score, 0.0);
        if (!records.would_keep(record)) return false;
        auto state = std::make_shared<State>();
        states.push_back(state);
        records.keep(record, {std::move(state)});
        return true;
    };
    CHECK(offer(0, 0, 0.7));
    CHECK(offer(1, 0, 0.9));
    CHECK(offer(2, 0, 0.8));
    CHECK(states[0].expired());
    CHECK_FALSE(offer(1, 1, 0.6));
    CHECK(offer(0, 1, 0.8));
    CHECK(states[2].expired());
    CHECK_FALSE(offer(0, 2, 0.8));  // the same score in a higher rung
    CHECK(offer(0, 3, 0.85));
    CHECK(states[3].expired());
    CHECK(records.kept().size() == 2);
}

TEST_CASE_FIXTURE(Fixture,
                  "a run keeps the states of its best candidates, with the same bits for any threads and limits") {
    settings = make_settings(24);
    for (const Continuation continuation : {Continuation::resume, Continuation::restart}) {
        std::vector<std::vector<float>> expected;
        for (const auto& [threads, limit] :
             std::vector<std::pair<int, std::int64_t>>{{1, kNoLimit}, {2, kNoLimit}, {3, kNothingWaits}}) {
            const auto [tuner, candidates] = tune(*this, threads, 6, limit, continuation);
            const std::vector<Kept> kept = tuner->kept();
            const std::vector<JobRecord> jobs = tuner->records().jobs();
            REQUIRE(kept.size() == 6);
            CHECK(ranks(kept) == by_force(jobs, 6));
            std::vector<std::vector<float>> found;
            std::int64_t held = 0;
            for (const Kept& each : kept) {
                const auto own = std::find_if(jobs.begin(), jobs.end(), [&](const JobRecord& job) {
                    return job.task.job.candidate == each.candidate && job.task.job.rung == each.rung;
                });
                found.push_back(weights(*each.states.front()));
                CHECK(digest(found.back()) == own->weights_hash);
                held += bytes(*each.states.front());
            }
            CHECK(tuner->memory().held_bytes == held);  // only kept states are counted; all others are freed
            if (expected.empty()) expected = found;
            CHECK(found == expected);
        }
    }
}

TEST_CASE_FIXTURE(Fixture, "kept candidates have the predictions by which they were scored") {
    settings = make_settings(12);
    const std::size_t each = static_cast<std::size_t>(data.validation().count) * kClasses;
    std::vector<float> expected;
    for (const int threads : {1, 3}) {
        const auto [tuner, candidates] = tune(*this, threads, 5, kNoLimit, Continuation::resume);
        const std::vector<Kept> kept = tuner->kept();
        std::vector<float> predictions(kept.size() * each);
        candidates->predict(kept, threads, std::span(predictions));
        for (std::size_t k = 0; k < kept.size(); ++k) {
            CHECK(accuracy(data, predictions.data() + k * each) == kept[k].score);
        }
        if (expected.empty()) expected = predictions;
        CHECK(predictions == expected);
        candidates->predict({}, threads, std::span<float>());
    }
}

TEST_CASE_FIXTURE(Fixture,
                  "candidates kept so far have the predictions by which they were scored, even while jobs run") {
    settings = make_settings(64);
    const std::size_t each = static_cast<std::size_t>(data.validation().count) * kClasses;
    const auto [tuner, candidates] = begin(*this, 2, 5, kNothingWaits, Continuation::resume);
    for (bool ended = false; !ended;) {
        ended = tuner->wait(0.0);
        const std::vector<Kept> kept = tuner->kept();
        std::vector<float> predictions(kept.size() * each);
        candidates->predict(kept, 2, std::span(predictions));
        for (std::size_t k = 0; k < kept.size(); ++k) {
            CHECK(accuracy(data, predictions.data() + k * each) == kept[k].score);
        }
    }
    CHECK(tuner->kept().size() == 5);
}

TEST_CASE_FIXTURE(Fixture, "a tuner that keeps no candidates is refused") {
    CHECK_THROWS_AS(tune(*this, 1, 0, kNoLimit, Continuation::resume), std::invalid_argument);
}
