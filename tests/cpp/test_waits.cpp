// Tests that every wait in the core ends. Threads are brought into each kind of wait and then stopped by stop(), by the
// destructor, by a thread that throws, or by the stop score. A watchdog ends the process if a thread keeps sleeping.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ash/run/mailbox.hpp"
#include "ash/run/retrain.hpp"
#include "ash/run/tuner.hpp"
#include "candidates_help.hpp"

namespace {

using namespace std::chrono_literals;
using namespace ash;
using namespace ash::testing;

// Aborts the process after a minute unless its scope has ended.
class Watchdog {
  public:
    explicit Watchdog(std::string what)
        : thread_([this, what = std::move(what)] {
              std::unique_lock lock(mutex_);
              if (over_.wait_for(lock, 60s, [this] { return is_over_; })) return;
              std::fprintf(stderr, "a wait without an end: %s\n", what.c_str());
              std::abort();
          }) {}
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    ~Watchdog() {
        {
            const std::lock_guard lock(mutex_);
            is_over_ = true;
        }
        over_.notify_one();
        thread_.join();
    }

  private:
    std::mutex mutex_;
    std::condition_variable over_;
    bool is_over_ = false;
    std::thread thread_;
};

template <typename Condition>
void await(Condition condition) {
    while (!condition()) std::this_thread::sleep_for(1ms);
}

// How a run ends. With by_stop, candidate 0 trains until the run is stopped, like all candidates. With the other values
// it waits for a signal of the test (Plan::told), and then throws or reaches the stop score.
enum class Ends : std::uint8_t { by_stop, by_throwing, by_score };

struct Plan {
    std::function<void(Team& team, const std::atomic<bool>& stop)> train;  // trains until `stop` is set
    Ends ends = Ends::by_stop;
    std::atomic<bool> told{false};
};

class Planned final : public Candidates {
  public:
    Planned(std::int64_t count, Plan& plan) : Candidates(count), plan_(plan) {}

    double cost(const Job&) const override { return 1.0; }
    double step_cost(std::int32_t) const override { return 1e12; }  // enough work for a team of any size

    Result train(const Job& job, int, Team& team, const std::atomic<bool>& stop) override {
        if (job.candidate == 0 && plan_.ends != Ends::by_stop) {
            await([&] { return plan_.told || stop; });
            if (plan_.told && plan_.ends == Ends::by_throwing) throw std::runtime_error("broken");
            if (plan_.told) return {.score = 1.0, .loss = 0.0};
        }
        plan_.train(team, stop);
        return {.stopped = true};
    }

    Team::Help help(std::int32_t, int, Team& team, const Team::Invitation& invitation) override {
        Workspace scratch;
        return team.help(invitation, scratch);
    }

  private:
    Plan& plan_;
};

void sleep_on(Team&, const std::atomic<bool>& stop) {
    await([&] { return stop.load(); });
}

// Brings a tuner's threads into a wait, which `waits` detects, and then ends the run in each possible way.
void check_ends(const std::string& what, std::int64_t candidates, int threads,
                const std::function<void(Team&, const std::atomic<bool>&)>& train, const std::function<bool()>& waits) {
    enum class Way : std::uint8_t { stop, destructor, throwing, score };
    for (const Way way : {Way::stop, Way::destructor, Way::throwing, Way::score}) {
        const Watchdog watchdog(what);
        Plan plan{.train = train};
        if (way == Way::throwing) plan.ends = Ends::by_throwing;
        if (way == Way::score) plan.ends = Ends::by_score;
        Tuner tuner(std::make_unique<Planned>(candidates, plan),
                    {.ladder = {.max_rungs = 1, .stop_score = 1.0}, .threads = threads, .schedule = Schedule::greedy});
        tuner.start();
        await(waits);
        plan.told = true;
        if (way == Way::destructor) continue;
        if (way == Way::stop) tuner.stop();
        if (way == Way::throwing) {
            CHECK_THROWS_AS(while (!tuner.wait(1.0)) continue, std::runtime_error);
        } else {
            while (!tuner.wait(1.0)) continue;
        }
    }
}

}  // namespace

TEST_CASE("threads without a job wait for the bell") {
    std::atomic<int> busy{0};
    const auto train = [&](Team& team, const std::atomic<bool>& stop) {
        ++busy;
        team.close();
        sleep_on(team, stop);
        --busy;
    };
    check_ends("the bell", 2, 8, train, [&] { return busy > 0; });
}

TEST_CASE("members of a team wait for its next loop") {
    std::atomic<int> members{0};
    const auto train = [&](Team& team, const std::atomic<bool>& stop) {
        await([&] {
            members = team.size() - 1;
            return stop.load();
        });
        members = 0;
    };
    check_ends("a loop of the team", 2, 4, train, [&] { return members > 0; });
}

TEST_CASE("the owner of a team waits for a block that a member has claimed") {
    std::atomic<bool> claimed{false};
    const auto train = [&](Team& team, const std::atomic<bool>& stop) {
        Workspace own;
        auto block = [&](int, Workspace& scratch) {
            if (&scratch == &own) {
                if (!claimed) std::this_thread::sleep_for(1ms);  // leaves the next block to a member
                return;
            }
            claimed = true;
            await([&] { return stop.load(); });
        };
        while (!stop) {
            if (team.joined(true)) team.share(64, own, block);
            std::this_thread::sleep_for(100us);
        }
        claimed = false;
    };
    check_ends("a block of a member", 2, 4, train, [&] { return claimed.load(); });
}

TEST_CASE("a thread that waits for an answer that never arrives can be stopped") {
    const Data data = make_data();
    for (const bool stops : {true, false}) {
        const Watchdog watchdog("an answer");
        auto mailbox = std::make_shared<Mailbox>(4);
        Tuner tuner(
            std::make_unique<Candidates>(std::vector<Fold>{fold_of(data)}, make_settings(8), 8, 4, kNoLimit, mailbox),
            {.ladder = {}, .threads = 4, .cores = 1, .teams = false});
        tuner.start();
        for (std::size_t letters = 0; letters < 4;) letters += mailbox->take(0.01).letters.size();
        if (!stops) continue;
        tuner.stop();
        while (!tuner.wait(1.0)) continue;
        CHECK(tuner.records().jobs().empty());
    }
}

TEST_CASE("threads and the caller wait for candidates that never arrive, and can be stopped") {
    const Data data = make_data();
    for (const bool stops : {true, false}) {
        const Watchdog watchdog("candidates");
        Tuner tuner(std::make_unique<Candidates>(std::vector<Fold>{fold_of(data)}, make_settings(2), 8, 3, kNoLimit),
                    {.ladder = {}, .threads = 3, .schedule = Schedule::greedy});
        tuner.start();
        await([&] { return tuner.records().jobs().size() == 2; });
        CHECK_FALSE(tuner.wait(0.05));
        CHECK(tuner.wanted() == 6);
        if (!stops) continue;
        tuner.stop();
        while (!tuner.wait(1.0)) continue;
    }
}

TEST_CASE_FIXTURE(Fixture, "a retraining stops in the middle if stop() returns true or throws") {
    const JobRules rules = fold_of(data).rules;
    const auto jobs = [&] {
        std::vector<RetrainJob> all;
        for (std::int32_t i = 0; i < 3; ++i) all.push_back({data, settings[0], rules, {i, 0, 1'000'000'000}});
        return all;
    };
    const Watchdog watchdog("a retraining");
    std::vector<RetrainJob> stopped = jobs();
    int asked = 0;
    retrain(stopped, 2, [&] { return ++asked == 3; });
    for (const RetrainJob& job : stopped) CHECK_FALSE(job.done());
    std::vector<RetrainJob> failed = jobs();
    const auto fails = [&]() -> bool { throw std::runtime_error("interrupted"); };
    CHECK_THROWS_WITH_AS(retrain(failed, 2, fails), "interrupted", std::runtime_error);
}
