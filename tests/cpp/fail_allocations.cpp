// Makes the n-th allocation of a piece of work fail, for every n. The work must then throw std::bad_alloc and leak
// nothing, and repeating it must give the usual result.
#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "ash/run/candidates.hpp"
#include "ash/run/mailbox.hpp"
#include "ash/run/retrain.hpp"
#include "ash/run/tuner.hpp"
#include "ash/simulate/cluster.hpp"
#include "ash/simulate/simulator.hpp"
#include "ash/train/digest.hpp"
#include "ash/train/network.hpp"
#include "candidates_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

using Hashes = std::vector<std::uint64_t>;  // hashes of the results of the work
using Work = std::function<Hashes()>;

constexpr int kCandidates = 6;

std::unique_ptr<Candidates> make_candidates(const Data& data, std::int64_t limit,
                                            std::shared_ptr<Mailbox> mailbox = nullptr) {
    const std::vector<Fold> folds{fold_of(data), fold_of(data, Continuation::resume, Metric::auc, 5)};
    return std::make_unique<Candidates>(folds, make_settings(kCandidates), kCandidates, 2, limit, std::move(mailbox));
}

Hashes hashes_of(const std::vector<JobRecord>& jobs) {
    Hashes hashes;
    for (const JobRecord& each : jobs) hashes.push_back(each.weights_hash);
    return hashes;
}

const TunerSettings kSettings{.ladder = {}, .threads = 2, .workers = 3, .keep = 2};

// Runs a tuner on two threads, with so little memory for states that some states are trained again.
Hashes tune(const Data& data) {
    Tuner tuner(make_candidates(data, 4'000), kSettings);
    tuner.start();
    while (!tuner.wait(60.0)) continue;
    return hashes_of(tuner.records().jobs());
}

// Runs the same tuner with a mailbox. The calling thread does the jobs.
Hashes tune_elsewhere(const Data& data) {
    const auto mailbox = std::make_shared<Mailbox>(2);
    Tuner tuner(make_candidates(data, kNoLimit, mailbox), kSettings);
    tuner.start();
    Workspace scratch;
    while (!tuner.wait(0.0)) {
        for (const Letter& letter : mailbox->take(0.01).letters) {
            Answer answer;
            const auto fold = [&](int number) {
                const Settings settings = make_settings(kCandidates)[static_cast<std::size_t>(letter.job.candidate)];
                const JobRules rules = fold_of(data, Continuation::resume, number == 0 ? Metric::accuracy : Metric::auc,
                                               number == 0 ? kSeed : 5)
                                           .rules;
                scratch.prepare(data, settings);
                JobRun job{.data = data, .settings = settings, .rules = rules, .job = letter.job, .scratch = scratch};
                State state = letter.states.empty() ? job.initial() : *letter.states[static_cast<std::size_t>(number)];
                const Result result = job.train_and_score(state);
                answer.states.push_back(std::move(state));
                return result;
            };
            answer.result = mean_of(2, fold, answer.fold_scores);
            mailbox->answer(letter.number, std::move(answer));
        }
    }
    return hashes_of(tuner.records().jobs());
}

// Resumes a run whose results are all known. The kept networks are trained again, and complete() checks their hashes.
Hashes resume(const Data& data, const std::vector<JobRecord>& jobs) {
    std::vector<KnownJob> known;
    for (const JobRecord& each : jobs) known.push_back({.record = each, .fold_scores = {each.score, each.score}});
    Tuner tuner(make_candidates(data, kNoLimit), kSettings);
    tuner.restore(std::move(known), {}, {}, 0.0);
    tuner.start();
    while (!tuner.wait(60.0)) continue;
    tuner.complete(2, [] { return false; });
    Hashes hashes;
    for (const Kept& each : with_states(tuner.kept())) hashes.push_back(each.weights_hash);
    return hashes;
}

// Runs one more job for each of three networks, on two threads.
Hashes refit(const Data& data) {
    const std::vector<Settings> settings = make_settings(3);
    const JobRules rules = fold_of(data).rules;
    std::vector<RetrainJob> jobs;
    for (std::int32_t i = 0; i < 3; ++i)
        jobs.push_back({data, settings[static_cast<std::size_t>(i)], rules, {i, 1, 2}});
    retrain(jobs, 2, [] { return false; });
    Hashes hashes;
    for (const RetrainJob& each : jobs) hashes.push_back(digest_of(each.state));
    return hashes;
}

Hashes read_table() {
    const Data data = make_data();
    return {digest(std::span(data.training().x.data(), static_cast<std::size_t>(data.training().x.size())))};
}

// Predicts with a network made from a state, and with a second network made from the layers of the first, on three
// threads.
Hashes predict_twice(const Data& data, const Settings& settings) {
    const Network network(initial_state(data.shape(), settings, kSeed, 0), data);
    std::vector<LayerWeights> layers;
    std::vector<Activation> activations;
    for (std::size_t l = 0; l < network.layers(); ++l) {
        layers.push_back(network.layer(l));
        if (l + 1 < network.layers()) activations.push_back(network.activation(l));
    }
    const Network copy(layers, activations, network.classes(), network.inputs(), network.targets(),
                       network.embedding());
    Hashes hashes;
    const std::vector<float> x(200 * kFeatures, 0.5F);
    for (const Network* each : {&network, &copy}) {
        std::vector<float> results(200 * kClasses);
        each->predict(x.data(), 200, 3, kernels(""), results.data());
        hashes.push_back(digest(std::span<const float>(results)));
    }
    return hashes;
}

Hashes simulated() {
    const Workload workload{.seconds = [](const Job& job) { return static_cast<double>(job.epochs); },
                            .cost = [](const Job& job) { return static_cast<double>(job.epochs); },
                            .outcome = [](const Job& job) { return SimulatedOutcome{1.0 / (1 + job.candidate), 0.0}; },
                            .most_members = [](const Job&) { return 2; },
                            .state_bytes = [](const Job&) { return 8.0; }};
    SimulationSettings settings{.ladder = {.candidates = 16}, .workers = 4, .threads = 3};
    std::uint64_t jobs = 0;
    const auto count = [&](const SimulatedJob&) { ++jobs; };
    simulate(settings, workload, count);
    settings.teams = false;
    simulate_cluster(settings, {.threads_per_process = 1, .in_flight = 2, .bandwidth = 1e9, .process_bandwidth = 1e9},
                     workload, count);
    return {jobs};
}

// Does the work once for each n and returns the number of times that an allocation failed.
int sweep(const Work& work) {
    const Hashes expected = work();
    int failed = 0;
    for (std::int64_t n = 1;; ++n) {
        const std::int64_t before = live_allocations();
        fail_at(n);
        bool over = false;
        try {
            work();
            over = fail_at(0);  // true if the n-th allocation was not reached
        } catch (const std::bad_alloc&) {
            fail_at(0);
        } catch (const std::system_error&) {  // no memory for a thread
            fail_at(0);
        }
        REQUIRE(live_allocations() == before);
        if (over) break;
        ++failed;
    }
    CHECK(work() == expected);
    MESSAGE(failed << " allocations failed");
    return failed;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "F63: any allocation of a run may fail") {
    CHECK(sweep([&] { return tune(data); }) > 200);
}

TEST_CASE_FIXTURE(Fixture, "F63: any allocation of a run whose jobs are done elsewhere may fail") {
    CHECK(sweep([&] { return tune_elsewhere(data); }) > 200);
}

TEST_CASE_FIXTURE(Fixture, "F63: any allocation of a resumed run may fail") {
    Tuner tuner(make_candidates(data, kNoLimit), kSettings);
    tuner.start();
    while (!tuner.wait(60.0)) continue;
    const std::vector<JobRecord> jobs = tuner.records().jobs();
    CHECK(sweep([&] { return resume(data, jobs); }) > 200);
}

TEST_CASE_FIXTURE(Fixture, "F63: any allocation of a refit may fail") {
    CHECK(sweep([&] { return refit(data); }) > 50);
}

TEST_CASE("F63: any allocation may fail while a table is read") { CHECK(sweep(read_table) > 10); }

TEST_CASE_FIXTURE(Fixture, "F63: any allocation of a prediction may fail") {
    for (const std::size_t which : {0, 3, 4}) CHECK(sweep([&] { return predict_twice(data, settings[which]); }) > 10);
}

TEST_CASE("F63: any allocation of a simulation may fail") { CHECK(sweep(simulated) > 50); }
