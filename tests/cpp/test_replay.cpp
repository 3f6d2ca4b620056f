// Tests that a run resumed from an earlier run has the same decisions, results and networks as an uninterrupted run.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/run/tuner.hpp"
#include "ash/search/replay.hpp"
#include "ash/train/digest.hpp"
#include "candidates_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

constexpr int kCandidates = 24;
constexpr int kKeep = 6;

using Row = std::tuple<int, int, std::int64_t, double, double, double, std::uint64_t, double, double>;
using Key = std::pair<std::int32_t, std::int32_t>;

struct Setup {
    int threads = 1;
    int candidates = kCandidates;
    std::size_t folds = 1;
    Schedule schedule = Schedule::reproducible;
    Continuation continuation = Continuation::resume;
    std::int64_t limit = kNoLimit;
};

struct Made {
    Candidates* candidates;
    std::unique_ptr<Tuner> tuner;
};

Made make(const Fixture& fixture, const Setup& setup) {
    std::vector<Fold> folds;
    for (std::size_t fold = 0; fold < setup.folds; ++fold) {
        folds.push_back(fold_of(fixture.data, setup.continuation, Metric::auc, fold_seed(kSeed, fold)));
    }
    auto candidates = std::make_unique<Candidates>(std::move(folds), make_settings(setup.candidates), setup.candidates,
                                                   setup.threads, setup.limit);
    Candidates* own = candidates.get();
    return {own,
            std::make_unique<Tuner>(
                std::move(candidates),
                TunerSettings{
                    .ladder = {}, .threads = setup.threads, .schedule = setup.schedule, .workers = 4, .keep = kKeep})};
}

void go_through(Made& made) {
    made.tuner->start();
    while (!made.tuner->wait(60.0)) continue;
    made.tuner->complete(kKeep, [] { return false; });
}

std::vector<Row> rows(const Tuner& tuner) {
    std::vector<Row> all;
    for (const JobRecord& each : tuner.records().jobs()) {
        const Job& job = each.task.job;
        all.emplace_back(job.candidate, job.rung, job.epochs, each.score, each.loss, each.training_loss,
                         each.weights_hash, each.task.start, each.task.finish);
    }
    return all;
}

std::uint64_t hash(const State& state) {
    return digest(std::span(state.weights.data(), static_cast<std::size_t>(state.weights.size())));
}

// Returns the results of a whole run, each with its score in every fold.
std::vector<KnownJob> results(const Made& made) {
    std::map<Key, std::vector<double>> scores;
    for (const FoldScores& each : made.candidates->fold_scores()) {
        scores[{each.job.candidate, each.job.rung}] = each.scores;
    }
    std::vector<KnownJob> all;
    for (const JobRecord& each : made.tuner->records().jobs()) {
        const Key key{each.task.job.candidate, each.task.job.rung};
        KnownJob known{.record = each, .fold_scores = scores[key]};
        known.record.task = {.job = each.task.job};
        all.push_back(known);
    }
    return all;
}

// Returns the first `cut` results, and a random selection of the next three results. The selected ones stand for jobs
// that had ended before the run was stopped, but whose results the clock still held back.
std::vector<KnownJob> some(const std::vector<KnownJob>& all, std::size_t cut, std::mt19937& random) {
    std::vector<KnownJob> known(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(cut));
    for (std::size_t later = cut; later < std::min(cut + 3, all.size()); ++later) {
        if (random() % 2 == 0) known.push_back(all[later]);
    }
    return known;
}

void restore_states(const Made& from, const Made& to, const std::vector<KnownJob>& known, std::mt19937& random) {
    for (const Kept& kept : from.tuner->kept()) {
        const bool is_known = std::any_of(known.begin(), known.end(), [&](const KnownJob& each) {
            return each.record.task.job.candidate == kept.candidate && each.record.task.job.rung == kept.rung;
        });
        if (!is_known || random() % 2 != 0) continue;
        std::vector<State> states;
        for (const auto& state : kept.states) states.push_back(*state);
        to.candidates->restore(kept.candidate, kept.rung, std::move(states));
    }
}

std::vector<Step> steps_of(Tuner& tuner) {
    std::vector<Step> steps;
    for (const Event& event : tuner.records().take_events()) {
        if (event.kind != EventKind::promoted)
            steps.push_back({event.candidate, event.rung, event.kind != EventKind::started});
    }
    return steps;
}

void check_kept(const Made& made, const Made& whole) {
    const std::vector<Kept> kept = made.tuner->kept();
    const std::vector<Kept> expected = whole.tuner->kept();
    REQUIRE(kept.size() == expected.size());
    CHECK(without_states(kept).empty());
    for (std::size_t i = 0; i < kept.size(); ++i) {
        CHECK(kept[i].candidate == expected[i].candidate);
        CHECK(kept[i].rung == expected[i].rung);
        REQUIRE(kept[i].states.size() == expected[i].states.size());
        for (std::size_t fold = 0; fold < kept[i].states.size(); ++fold) {
            CHECK(hash(*kept[i].states[fold]) == hash(*expected[i].states[fold]));
            CHECK(kept[i].states[fold]->updates == expected[i].states[fold]->updates);
        }
    }
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a reproducible run resumed from any of its first results has the same outcome") {
    std::mt19937 random(3);
    for (const Continuation continuation : {Continuation::resume, Continuation::restart}) {
        for (const std::size_t folds : {1, 2}) {
            Made whole = make(*this, {.folds = folds, .continuation = continuation});
            go_through(whole);
            const std::vector<KnownJob> all = results(whole);
            for (std::size_t cut = 0; cut <= all.size(); cut += 1 + random() % 5) {
                const int threads = static_cast<int>(1 + random() % 3);
                Made made = make(*this, {.threads = threads,
                                         .folds = folds,
                                         .continuation = continuation,
                                         .limit = cut % 2 == 0 ? kNoLimit : 20'000});
                const std::vector<KnownJob> known = some(all, cut, random);
                restore_states(whole, made, known, random);
                made.tuner->restore(known, {}, {}, 7.0);
                go_through(made);
                CHECK(rows(*made.tuner) == rows(*whole.tuner));
                check_kept(made, whole);
                CHECK(made.candidates->fold_scores().size() == whole.candidates->fold_scores().size());
                CHECK(made.tuner->ending() == Ending::finished);
            }
        }
    }
}

TEST_CASE_FIXTURE(Fixture, "a greedy run can be resumed after any of its steps") {
    Made whole = make(*this, {.schedule = Schedule::greedy});
    go_through(whole);
    const std::vector<KnownJob> all = results(whole);
    const std::vector<Step> steps = steps_of(*whole.tuner);
    REQUIRE(steps.size() == 2 * all.size());
    for (std::size_t cut = 0; cut <= steps.size(); cut += 7) {
        const auto ended =
            static_cast<std::ptrdiff_t>(std::count_if(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(cut),
                                                      [](const Step& step) { return step.finished; }));
        Made made = make(*this, {.schedule = Schedule::greedy});
        made.tuner->restore({all.begin(), all.begin() + ended},
                            {steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(cut)}, {}, 0.0);
        CHECK(std::ssize(made.tuner->records().jobs()) == ended);  // all known results are decided before any training
        go_through(made);
        CHECK(rows(*made.tuner) == rows(*whole.tuner));
        check_kept(made, whole);
        // Resume once more, from the records of the second run.
        const std::vector<Step> later = steps_of(*made.tuner);
        REQUIRE(later.size() == steps.size());
        const std::size_t next = (cut + 11) % (steps.size() + 1);
        const auto known =
            static_cast<std::ptrdiff_t>(std::count_if(later.begin(), later.begin() + static_cast<std::ptrdiff_t>(next),
                                                      [](const Step& step) { return step.finished; }));
        Made third = make(*this, {.schedule = Schedule::greedy});
        third.tuner->restore({all.begin(), all.begin() + known},
                             {later.begin(), later.begin() + static_cast<std::ptrdiff_t>(next)}, {}, 0.0);
        CHECK(std::ssize(third.tuner->records().jobs()) == known);
        go_through(third);
        CHECK(rows(*third.tuner) == rows(*whole.tuner));
    }
}

TEST_CASE_FIXTURE(Fixture, "a greedy run resumed without one of its steps still uses every result") {
    Made whole = make(*this, {.schedule = Schedule::greedy});
    go_through(whole);
    const std::vector<KnownJob> all = results(whole);
    const std::vector<Step> steps = steps_of(*whole.tuner);
    for (std::size_t lost = 0; lost < steps.size(); lost += 5) {
        std::vector<Step> rest = steps;
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(lost));
        // The known hashes are wrong, so a job that is trained again is recognized by its real hash.
        std::vector<KnownJob> known = all;
        for (KnownJob& each : known) each.record.weights_hash ^= 1;
        Made made = make(*this, {.schedule = Schedule::greedy});
        made.tuner->restore(known, rest, {}, 0.0);
        made.tuner->start();
        REQUIRE(made.tuner->wait(60.0));
        std::map<Key, std::uint64_t> hashes;
        for (const KnownJob& each : known) {
            hashes[{each.record.task.job.candidate, each.record.task.job.rung}] = each.record.weights_hash;
        }
        for (const JobRecord& each : made.tuner->records().jobs()) {
            const auto found = hashes.find({each.task.job.candidate, each.task.job.rung});
            if (found != hashes.end()) CHECK(each.weights_hash == found->second);
        }
        CHECK(made.tuner->ending() == Ending::finished);
    }
}

TEST_CASE_FIXTURE(Fixture, "a run with results of fewer candidates can be continued with more candidates") {
    for (const Schedule schedule : {Schedule::reproducible, Schedule::greedy}) {
        Made fewer = make(*this, {.candidates = kCandidates / 2, .schedule = schedule});
        go_through(fewer);
        Made fresh = make(*this, {.schedule = schedule});
        go_through(fresh);
        Made made = make(*this, {.threads = 2, .schedule = schedule});
        made.tuner->restore(results(fewer), steps_of(*fewer.tuner), {}, 0.0);
        go_through(made);
        if (schedule == Schedule::reproducible) {
            CHECK(rows(*made.tuner) == rows(*fresh.tuner));
            check_kept(made, fresh);
        } else {  // promotions depend on the times at which jobs ended, but results do not
            std::map<Key, std::uint64_t> hashes;
            for (const JobRecord& each : fresh.tuner->records().jobs()) {
                hashes[{each.task.job.candidate, each.task.job.rung}] = each.weights_hash;
            }
            for (const JobRecord& each : made.tuner->records().jobs()) {
                const auto found = hashes.find({each.task.job.candidate, each.task.job.rung});
                if (found != hashes.end()) CHECK(found->second == each.weights_hash);
            }
            CHECK(made.tuner->ending() == Ending::finished);
        }
    }
}

TEST_CASE_FIXTURE(Fixture, "a result of other candidates is detected when its network is retrained") {
    Made whole = make(*this, {});
    go_through(whole);
    std::vector<KnownJob> wrong = results(whole);
    for (KnownJob& each : wrong) each.record.weights_hash ^= 1;
    Made made = make(*this, {.threads = 2});
    made.tuner->restore(wrong, {}, {}, 0.0);
    made.tuner->start();
    REQUIRE(made.tuner->wait(60.0));
    CHECK(with_states(made.tuner->kept()).empty());
    CHECK_THROWS_AS(made.tuner->complete(kKeep, [] { return false; }), std::runtime_error);
    CHECK_THROWS_AS(made.tuner->restore({}, {}, {}, 0.0), std::logic_error);
}

TEST_CASE_FIXTURE(Fixture, "a result of other candidates is detected next to a slow network, and after a stop") {
    static std::atomic<int> epochs{0};  // number of epochs that both networks together have trained
    static std::atomic<bool> has_diverged{false};
    Kernels counted = kernels("");
    counted.finite = [](const float* values, std::int64_t size) noexcept {
        ++epochs;
        const bool is_finite = kernels("").finite(values, size);
        if (!is_finite) has_diverged = true;
        return is_finite;
    };
    std::vector<Settings> two = make_settings(2);
    for (Settings& each : two) each.batch_size = 0;
    // If candidate 0 were trained, it would diverge within two epochs. Its restored result is finite.
    two[0].l2 = 1e30;
    constexpr std::int64_t kLong = std::int64_t{1} << 40;
    for (const int threads : {1, 2}) {
        Tuner tuner(std::make_unique<Candidates>(
                        std::vector<Fold>{{data, {.kernels = counted, .seed = kSeed, .min_epochs = kLong}}}, two, 2,
                        threads, kNoLimit),
                    {.ladder = {.min_epochs = kLong, .max_rungs = 1}, .threads = threads, .keep = 2});
        std::vector<KnownJob> known(2);
        for (std::int32_t candidate = 0; candidate < 2; ++candidate) {
            KnownJob& each = known[static_cast<std::size_t>(candidate)];
            each.record.task.job = {candidate, 0, kLong};
            each.record.score = 1.0 - candidate;
            each.fold_scores = {each.record.score};
        }
        tuner.restore(known, {}, {}, 0.0);
        tuner.start();
        REQUIRE(tuner.wait(60.0));
        REQUIRE(without_states(tuner.kept()).size() == 2);
        epochs = 0;
        has_diverged = false;
        CHECK_THROWS_AS(tuner.complete(2, [] { return has_diverged && epochs > 1000; }), std::runtime_error);
    }
}

TEST_CASE_FIXTURE(Fixture, "complete() can be repeated after it was aborted") {
    Made whole = make(*this, {});
    go_through(whole);
    Made made = make(*this, {});
    made.tuner->restore(results(whole), {}, {}, 0.0);
    made.tuner->start();
    REQUIRE(made.tuner->wait(60.0));
    REQUIRE(without_states(made.tuner->kept()).size() == kKeep);
    CHECK_THROWS_AS(made.tuner->complete(kKeep, []() -> bool { throw std::logic_error("enough"); }), std::logic_error);
    made.tuner->complete(kKeep, [] { return false; });
    check_kept(made, whole);
}

TEST_CASE_FIXTURE(Fixture, "a state that does not fit its candidate is refused") {
    Made whole = make(*this, {});
    go_through(whole);
    const Kept best = whole.tuner->kept().front();
    Made made = make(*this, {});
    CHECK_THROWS_AS(made.candidates->restore(kCandidates, 0, {*best.states.front()}), std::invalid_argument);
    CHECK_THROWS_AS(made.candidates->restore(best.candidate, best.rung + 1, {*best.states.front()}),
                    std::invalid_argument);
    CHECK_THROWS_AS(made.candidates->restore(best.candidate, best.rung, {}), std::invalid_argument);
    State smaller = *best.states.front();
    smaller.weights = AlignedFloats(3);
    CHECK_THROWS_AS(made.candidates->restore(best.candidate, best.rung, {smaller}), std::invalid_argument);
}

TEST_CASE_FIXTURE(Fixture, "waiting and kept candidates provide their states, from which a run can be resumed") {
    Made whole = make(*this, {.folds = 2});
    std::map<Key, std::vector<std::shared_ptr<const State>>> found;
    whole.tuner->start();
    while (!whole.tuner->wait(1e-4)) {
        for (std::int32_t candidate = 0; candidate < kCandidates; ++candidate) {
            for (std::int32_t rung = 0; rung < 3; ++rung) {
                auto states = whole.tuner->states(candidate, rung);
                if (!states.empty()) found[{candidate, rung}] = std::move(states);
            }
        }
    }
    const std::vector<KnownJob> all = results(whole);
    Made made = make(*this, {.threads = 2, .folds = 2});
    for (const auto& [key, states] : found) {
        REQUIRE(states.size() == 2);
        made.candidates->restore(key.first, key.second, {*states[0], *states[1]});
    }
    made.tuner->restore({all.begin(), all.begin() + 30}, {}, {}, 0.0);
    go_through(made);
    CHECK(rows(*made.tuner) == rows(*whole.tuner));
}
