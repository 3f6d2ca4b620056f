// Tests jobs that are sent to workers and done in any order. The run must equal a local run, and no thread may
// hang.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "ash/run/mailbox.hpp"
#include "ash/run/tuner.hpp"
#include "candidates_help.hpp"

namespace {

using namespace ash;
using namespace ash::testing;

constexpr int kCount = 16;
constexpr TunerSettings kSettings{.ladder = {}, .threads = 6, .cores = 1, .workers = 4, .teams = false, .keep = 3};

std::unique_ptr<Candidates> make_candidates(const Data& data, int threads, std::int64_t limit,
                                            std::shared_ptr<Mailbox> mailbox) {
    return std::make_unique<Candidates>(std::vector<Fold>{fold_of(data)}, make_settings(kCount), kCount, threads, limit,
                                        std::move(mailbox));
}

// Does the job of a letter in the same way as a worker, starting from the states in the letter.
Answer done(const Data& data, const Letter& letter, const JobRules& rules) {
    const Settings settings = make_settings(kCount)[static_cast<std::size_t>(letter.job.candidate)];
    Workspace scratch;
    scratch.prepare(data, settings);
    JobRun run{.data = data, .settings = settings, .rules = rules, .job = letter.job, .scratch = scratch};
    State state = letter.states.empty() ? run.initial() : *letter.states.front();
    Answer answer{.result = run.train_and_score(state)};
    if (is_diverged(answer.result.score, answer.result.loss)) return answer;
    answer.fold_scores = {answer.result.score};
    answer.states.push_back(std::move(state));
    return answer;
}

// Answers the tuner's letters, the latest first, until the tuner has ended. Sends each answer twice.
void carry(Tuner& tuner, Mailbox& mailbox, const Data& data) {
    const JobRules rules = fold_of(data).rules;
    while (!tuner.wait(0.0)) {
        Mail mail = mailbox.take(0.01);
        for (; !mail.letters.empty(); mail.letters.pop_back()) {
            const Letter& letter = mail.letters.back();
            const Answer answer = done(data, letter, rules);
            CHECK(mailbox.answer(letter.number, answer));
            CHECK_FALSE(mailbox.answer(letter.number, answer));
        }
    }
}

void check_equal(const Tuner& one, const Tuner& other) {
    const std::vector<JobRecord> jobs = one.records().jobs();
    const std::vector<JobRecord> expected = other.records().jobs();
    REQUIRE(jobs.size() == expected.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        CHECK(jobs[i].task.job.candidate == expected[i].task.job.candidate);
        CHECK(jobs[i].task.job.rung == expected[i].task.job.rung);
        CHECK(jobs[i].weights_hash == expected[i].weights_hash);
    }
    const std::vector<Kept> kept = one.kept();
    REQUIRE(kept.size() == other.kept().size());
    for (std::size_t i = 0; i < kept.size(); ++i) {
        CHECK(weights(*kept[i].states.front()) == weights(*other.kept()[i].states.front()));
    }
}

TEST_CASE("a run whose jobs are done elsewhere equals a run on local threads, even if states are dropped") {
    const Data data = make_data();
    Tuner here(make_candidates(data, kSettings.threads, kNoLimit, nullptr), kSettings);
    here.start();
    REQUIRE(here.wait(60.0));
    for (const std::int64_t limit : {kNoLimit, kNothingWaits}) {
        const auto mailbox = std::make_shared<Mailbox>(kSettings.threads);
        Tuner tuner(make_candidates(data, kSettings.threads, limit, mailbox), kSettings);
        tuner.start();
        carry(tuner, *mailbox, data);
        check_equal(tuner, here);
    }
}

TEST_CASE("a thread that waits for an answer returns when the tuner stops") {
    const Data data = make_data();
    const auto mailbox = std::make_shared<Mailbox>(kSettings.threads);
    Tuner tuner(make_candidates(data, kSettings.threads, kNoLimit, mailbox), kSettings);
    tuner.start();
    std::vector<Letter> letters;
    while (letters.size() < 4) {
        for (Letter& each : mailbox->take(1.0).letters) letters.push_back(std::move(each));
    }
    tuner.stop();
    CHECK(tuner.wait(60.0));
    CHECK(tuner.records().jobs().empty());
    CHECK_FALSE(mailbox->answer(letters.front().number, {}));
    CHECK_FALSE(mailbox->send({0, 0, 1}, {}));
}

TEST_CASE("states kept by other processes are retrained by as many threads as there are cores") {
    const Data data = make_data();
    TunerSettings settings = kSettings;
    settings.cores = 8;
    Tuner here(make_candidates(data, kSettings.threads, kNoLimit, nullptr), settings);
    here.start();
    REQUIRE(here.wait(60.0));
    std::vector<KnownJob> known;
    for (const JobRecord& each : here.records().jobs()) known.push_back({.record = each, .fold_scores = {each.score}});
    const auto mailbox = std::make_shared<Mailbox>(settings.threads);
    Tuner tuner(make_candidates(data, 1, kNoLimit, mailbox), settings);  // the thread count of 1 is for local training
    tuner.restore(known, {}, {}, 0.0);
    tuner.start();
    REQUIRE(tuner.wait(60.0));
    CHECK(with_states(tuner.kept()).empty());
    tuner.complete(settings.keep, [] { return false; });
    check_equal(tuner, here);
}

TEST_CASE("a mailbox outlives its tuner, which closes it") {
    const Data data = make_data();
    const auto mailbox = std::make_shared<Mailbox>(kSettings.threads);
    {
        Tuner tuner(make_candidates(data, kSettings.threads, kNoLimit, mailbox), kSettings);
        tuner.start();
    }
    mailbox->take(0.0);
    CHECK(mailbox->take(60.0).letters.empty());
    CHECK_FALSE(mailbox->send({0, 0, 1}, {}));
}

TEST_CASE("every accepted answer is delivered, and no sender waits after the mailbox is closed") {
    for (int letters = 0; letters < 60; ++letters) {
        Mailbox mailbox(4);
        std::atomic<int> received{0};
        std::vector<std::thread> senders;
        for (std::int32_t candidate = 0; candidate < mailbox.capacity(); ++candidate) {
            senders.emplace_back([&, candidate] {
                while (mailbox.send({candidate, 0, 1}, {})) ++received;
            });
        }
        int taken = 0;
        while (taken < letters) {
            for (const Letter& each : mailbox.take(10.0).letters) taken += mailbox.answer(each.number, {}) ? 1 : 0;
        }
        mailbox.close();
        for (std::thread& sender : senders) sender.join();
        CHECK(received == taken);
    }
}

TEST_CASE("an answer whose state does not fit its candidate ends the run") {
    const Data data = make_data();
    const auto mailbox = std::make_shared<Mailbox>(kSettings.threads);
    Tuner tuner(make_candidates(data, kSettings.threads, kNoLimit, mailbox), kSettings);
    tuner.start();
    const Mail mail = mailbox->take(10.0);
    REQUIRE_FALSE(mail.letters.empty());
    Answer wrong{.result = {.score = 0.5, .loss = 1.0}, .fold_scores = {0.5}};
    wrong.states.emplace_back();
    CHECK(mailbox->answer(mail.letters.front().number, std::move(wrong)));
    const auto ended = [&] {
        while (!tuner.wait(1.0)) continue;
    };
    CHECK_THROWS_AS(ended(), std::invalid_argument);
}

TEST_CASE("notes list kept and dropped states of other processes") {
    const Data data = make_data();
    const auto mailbox = std::make_shared<Mailbox>(2);
    const std::unique_ptr<Candidates> candidates = make_candidates(data, 2, kNoLimit, mailbox);
    CHECK(candidates->publish(3).empty());
    candidates->retire(3);
    candidates->wait(4, 0, 0.5, 1.0);
    const Mail mail = mailbox->take(0.0);
    REQUIRE(mail.notes.size() == 2);
    CHECK((mail.notes[0].kind == Note::Kind::kept && mail.notes[0].candidate == 3));
    CHECK((mail.notes[1].kind == Note::Kind::dropped && mail.notes[1].candidate == 3));
}

}  // namespace
