// Tests teams. Every block runs once while members join and leave, the owner waits only for claimed blocks, and
// sleepers wake up.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "ash/train/sharing.hpp"
#include "ash/train/team.hpp"
#include "ash/train/trainer.hpp"
#include "ash/train/workspace.hpp"
#include "team_help.hpp"
#include "training_data.hpp"

namespace {

using namespace ash;
using namespace ash::testing;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLongest = 10s;  // maximum time until another thread acts, on a busy machine

// Waits until a condition holds or the time has passed.
template <typename Condition>
void wait_for(Condition condition, std::chrono::milliseconds longest = kLongest) {
    const auto end = std::chrono::steady_clock::now() + longest;
    while (!condition() && std::chrono::steady_clock::now() < end) continue;
}

// Waits until a member has joined or the team has closed for a pause.
void await_member(Team& team) {
    while (team.is_open() && team.size() == 1) std::this_thread::yield();
}

}  // namespace

TEST_CASE("a loop runs every block once, with and without members, and ends when all blocks are done") {
    std::atomic<std::uint32_t> bell{0};
    Team team(bell);
    Workspace own;
    for (const int count : {0, 1, 3}) {
        Members members(team, bell, count);
        std::vector<int> runs(97);
        for (int job = 0; job < 50; ++job) {
            team.open(count, no_ring, nullptr);
            for (int loop = 0; loop < 20; ++loop) {
                team.share(97, own, [&](int block, Workspace&) { ++runs[static_cast<std::size_t>(block)]; });
            }
            team.close();
        }
        for (const int each : runs) CHECK(each == 1000);
        CHECK((count > 0 || members.blocks() == 0));
    }
}

TEST_CASE("a loop may have more blocks than a ticket can count") {
    std::atomic<std::uint32_t> bell{0};
    Team team(bell);
    Workspace own;
    for (const int count : {0, 2}) {
        for (const int blocks : {65'535, 65'536, 200'000}) {
            Members members(team, bell, count);
            std::vector<std::uint8_t> runs(static_cast<std::size_t>(blocks));
            team.open(count, no_ring, nullptr);
            team.share(blocks, own, [&](int block, Workspace&) { ++runs.at(static_cast<std::size_t>(block)); });
            team.close();
            CHECK(std::ranges::count(runs, 1) == blocks);
        }
    }
}

TEST_CASE("a loop without blocks ends, and a closed team has no members") {
    std::atomic<std::uint32_t> bell{0};
    Team team(bell);
    Workspace own;
    CHECK_FALSE(team.is_open());
    team.open(0, no_ring, nullptr);
    CHECK_FALSE(team.is_open());
    CHECK_FALSE(team.joined(true));
    team.share(0, own, [](int, Workspace&) { FAIL("there is no block"); });
    team.close();
    CHECK(team.help(team.invitation(bell), own).blocks == 0);  // the helper leaves immediately
}

TEST_CASE("a member leaves when the bell rings, when the job ends, and if its invitation is for another job") {
    for (const bool by_bell : {true, false}) {
        std::atomic<std::uint32_t> bell{0};
        Team team(bell);  // a new team, since a used one may be closed for a pause
        team.open(1, no_ring, nullptr);
        const Team::Invitation invitation = team.invitation(bell);
        std::thread member([&] {
            Workspace scratch;
            team.help(invitation, scratch);
        });
        while (team.size() == 1) std::this_thread::yield();
        std::this_thread::sleep_for(2ms);  // long enough for the member to fall asleep
        if (by_bell) {
            ++bell;
            team.wake();
        } else {
            team.close();
        }
        member.join();
        CHECK(team.size() == 1);
        team.open(1, no_ring, nullptr);
        Workspace scratch;
        CHECK(team.help(invitation, scratch).blocks == 0);
        team.close();
    }
}

TEST_CASE("a sleeping member is woken by the next loop") {
    std::atomic<std::uint32_t> bell{0};
    Team team(bell);
    Workspace own;
    const std::thread::id owner = std::this_thread::get_id();
    team.open(1, no_ring, nullptr);
    Members members(team, bell, 1);
    for (int loop = 0; loop < 20 && team.is_open(); ++loop) {  // a team closes if a member is preempted
        await_member(team);
        std::this_thread::sleep_for(1ms);  // longer than a member spins before it sleeps
        std::atomic<int> runs{0};
        std::atomic<bool> by_member{false};
        team.share(2, own, [&](int, Workspace&) {
            ++runs;
            if (std::this_thread::get_id() != owner) by_member = true;
            wait_for([&] { return by_member.load(); });
        });
        CHECK(runs == 2);
        CHECK(by_member);
    }
    team.close();
}

TEST_CASE("a member that is delayed in a block closes the team for a while") {
    std::atomic<std::uint32_t> bell{0};
    std::atomic<int> rings{0};
    Team team(bell);
    Workspace own;
    const std::thread::id owner = std::this_thread::get_id();
    team.open(1, [](void* count) { ++*static_cast<std::atomic<int>*>(count); }, &rings);
    {
        Members members(team, bell, 1);
        std::atomic<int> by_member{0};
        while (team.is_open()) {
            team.share(2, own, [&](int, Workspace&) {
                if (std::this_thread::get_id() == owner) return std::this_thread::sleep_for(100us);
                ++by_member;
                std::this_thread::sleep_for(5ms);
            });
        }
        CHECK(by_member > 0);
        // The pause ends if the owner had a whole core while it was busy; otherwise the pause continues.
        wait_for([&] { return team.joined(true) || team.is_open(); }, 5s);
    }
    CHECK(rings == (team.is_open() ? 1 : 0));
    team.close();
}

TEST_CASE("a team whose members do not speed up the job is closed for a while; other teams stay open") {
    std::atomic<std::uint32_t> bell{0};
    Team team(bell);
    Workspace own;
    for (const bool pays : {true, false}) {
        team.open(1, no_ring, nullptr);
        Members members(team, bell, 1);
        const auto spin = [](std::chrono::microseconds time) {
            const auto end = std::chrono::steady_clock::now() + time;
            while (std::chrono::steady_clock::now() < end) continue;
        };
        const auto step = [&] {
            if (!team.joined(true)) {
                spin(200us);
            } else if (pays) {
                spin(50us);
            } else {
                team.share(4, own, [&](int, Workspace&) { spin(150us); });
            }
            return !team.is_open();
        };
        wait_for(step, pays ? 20ms : kLongest);
        CHECK((pays || !team.is_open()));
        team.close();
    }
}

TEST_CASE("an idle member uses no CPU time") {
    std::atomic<std::uint32_t> bell{0};
    Team team(bell);
    team.open(1, no_ring, nullptr);
    Members members(team, bell, 1);
    while (team.size() == 1) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(5ms);
    const double start = processor_seconds();
    std::this_thread::sleep_for(200ms);
    CHECK(processor_seconds() - start < 0.1);
    team.close();
}

TEST_CASE("every row is in one block, and blocks start on whole lines") {
    for (const std::int64_t batch : {1, 16, 31, 64, 100, 1000, 3'000'000}) {
        for (const int threads : {1, 2, 3, 7, 64}) {
            const RowCut cut(batch, threads);
            std::int64_t next = 0;
            for (int block = 0; block < cut.count(); ++block) {
                if (cut[block].first != next || cut[block].count < 1 || next % 16 != 0) FAIL("block " << block);
                next += cut[block].count;
            }
            CHECK(next == batch);
        }
    }
    Settings settings;
    settings.hidden = {1, 300, 17};
    settings.activations.assign(3, Activation::relu);
    const Layout layout({70, 3}, settings);
    WeightCut cut(layout);
    for (const int threads : {2, 5, 2, 64}) {
        std::vector<std::int64_t> next(layout.layers().size());
        for (const WeightBlock& block : cut.blocks(threads)) {
            CHECK(block.rows.first == next[block.layer]);
            CHECK(block.rows.first % 16 == 0);
            CHECK(block.rows.count <= kBlockWeights);
            next[block.layer] += block.rows.count;
        }
        for (std::size_t l = 0; l < next.size(); ++l) CHECK(next[l] == layout.layers()[l].inputs);
    }
}

TEST_CASE("training gives the same bits with any team, even if the team changes during training") {
    for (const auto& [classes, weighted] : {std::pair{3, false}, {0, false}, {3, true}, {0, true}}) {
        const Data data = make_data(400, 21, classes, 2, weighted);
        for (const std::int64_t batch : {0, 100, 33}) {
            Settings settings = settings_of(Optimizer::adam, batch);
            settings.hidden = {40, 70, 5};
            settings.activations.assign(3, Activation::gelu);
            const Kernels& kernels = ash::kernels("");
            const auto trained = [&](Team* team) {
                State state = initial_state(data.shape(), settings, 1, 2);
                Workspace workspace(data, {&settings, 1});
                std::vector<double> losses(60);
                const Training training{.epochs = 60, .seed = 1, .candidate = 2, .losses = losses, .team = team};
                train(data, settings, training, kernels, state, workspace);
                std::vector<double> all(state.weights.data(), state.weights.data() + state.weights.size());
                all.insert(all.end(), losses.begin(), losses.end());
                return all;
            };
            const std::vector<double> expected = trained(nullptr);
            std::atomic<std::uint32_t> bell{0};
            Team team(bell);
            for (const int count : {1, 2, 6}) {
                Members members(team, bell, count, [&](Workspace& scratch) { scratch.prepare(data, settings); });
                team.open(count, no_ring, nullptr);
                CHECK(trained(&team) == expected);
                team.close();
            }
        }
    }
}
