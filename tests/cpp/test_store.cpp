// Tests the store of states: every byte is counted, the least promising state is dropped first, and no state in use is
// dropped.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "ash/run/store.hpp"

using namespace ash;

namespace {

constexpr std::int64_t kBytes = 64;

State small(std::int64_t mark = 0) {
    State state;
    state.weights = AlignedFloats(kBytes / 4);
    state.epochs = mark;
    return state;
}

std::shared_ptr<State> add(StateStore& store, std::int32_t candidate) {
    return store.add(candidate, kBytes, [&] { return small(candidate + 1); });
}

void add_waiting(StateStore& store, std::int32_t candidate, std::int32_t rung, double score, double loss = 0.0) {
    add(store, candidate);
    store.wait(rung, {score, loss, candidate});
}

// Returns the candidates among 0 .. count - 1 that still have a state. Resumes these states.
std::set<int> kept(StateStore& store, int count) {
    std::set<int> found;
    for (int candidate = 0; candidate < count; ++candidate) {
        if (store.resume(candidate)) found.insert(candidate);
    }
    return found;
}

std::int64_t arenas(const State& state) {
    return 4 * (state.weights.size() + state.first_moment.size() + state.second_moment.size());
}

}  // namespace

TEST_CASE("the bytes of a state are those of its arenas") {
    for (const Optimizer optimizer :
         {Optimizer::sgd, Optimizer::momentum, Optimizer::nesterov, Optimizer::adam, Optimizer::adamw}) {
        Settings settings;
        settings.hidden = {33, 128};
        settings.activations = {Activation::relu, Activation::tanh};
        settings.optimizer = optimizer;
        for (const int numbers : {0, 5}) {
            for (const bool scaling : {false, true}) {
                settings.embedding = numbers > 0 ? Embedding::periodic : Embedding::none;
                settings.input_scaling = scaling;
                const State state = initial_state({7, 3, numbers}, settings, 0, 0);
                CHECK(state_bytes(state.layout, optimizer) == arenas(state));
            }
        }
    }
}

TEST_CASE("held bytes and their peak count a state until its last owner releases it") {
    auto store = std::make_unique<StateStore>(0);
    add_waiting(*store, 0, 0, 1.0);
    add(*store, 1);
    CHECK(store->use().held_bytes == 2 * kBytes);
    std::shared_ptr<const State> published = store->publish(1);
    store->release(1);
    CHECK(store->use().held_bytes == 2 * kBytes);
    published.reset();
    store->release(0);
    store->release(0);
    CHECK(store->use().held_bytes == 0);
    CHECK(store->use().peak_bytes == 2 * kBytes);
    CHECK(store->use().dropped == 0);
    add(*store, 2);
    published = store->publish(2);
    store.reset();
    CHECK(published->epochs == 3);  // a published state outlives its store
}

TEST_CASE("states are dropped by rung, the lowest first, then the worst by score, loss, candidate") {
    StateStore store(6 * kBytes);
    std::vector<std::weak_ptr<const State>> states;
    const std::vector<std::pair<int, Entry>> waiting{
        {1, {-9.0, 0.0, 0}}, {0, {5.0, 2.0, 1}}, {0, {5.0, 1.0, 2}},
        {0, {4.0, 0.0, 3}},  {0, {5.0, 2.0, 4}}, {2, {-99.0, 0.0, 5}},
    };
    for (const auto& [rung, entry] : waiting) {
        states.emplace_back(add(store, entry.candidate));
        store.wait(rung, entry);
    }
    CHECK(store.use().dropped == 0);
    std::set<std::size_t> expected;
    for (const std::size_t next : {3U, 4U, 1U, 2U, 0U, 5U}) {
        expected.insert(next);
        add(store, 100 + static_cast<std::int32_t>(next));  // this state is in use from here on
        for (std::size_t i = 0; i < states.size(); ++i) CHECK(states[i].expired() == expected.contains(i));
        CHECK(store.use().held_bytes == 6 * kBytes);
    }
    CHECK(store.use().dropped == 6);
    CHECK(store.use().peak_bytes == 6 * kBytes);
}

TEST_CASE("beyond the limit, the newest waiting state may itself be dropped") {
    StateStore store(kBytes);
    const std::shared_ptr<State> other = add(store, 0);
    add(store, 1);
    CHECK(store.use().held_bytes == 2 * kBytes);
    store.wait(4, {1.0, 1.0, 1});
    CHECK(store.use().held_bytes == kBytes);
    CHECK_FALSE(store.resume(1));
}

TEST_CASE("running and published states are never dropped, even beyond the limit") {
    StateStore store(2 * kBytes);
    const std::shared_ptr<State> own = add(store, 0);
    add(store, 1);
    std::shared_ptr<const State> best = store.publish(1);
    store.wait(3, {1.0, 1.0, 1});
    add(store, 2);
    store.wait(0, {1.0, 1.0, 2});  // the only state that can be dropped
    CHECK(store.use().dropped == 1);
    CHECK(store.use().peak_bytes == 3 * kBytes);
    CHECK(store.use().held_bytes == 2 * kBytes);
    CHECK(kept(store, 3) == std::set{0, 1});
}

TEST_CASE("a published state without other owners can be dropped") {
    StateStore store(kBytes);
    add(store, 0);
    std::shared_ptr<const State> best = store.publish(0);
    store.wait(0, {1.0, 1.0, 0});
    best.reset();
    add(store, 1);
    CHECK(store.use().dropped == 1);
    CHECK(store.use().held_bytes == kBytes);
}

TEST_CASE("resuming a published state returns a copy, which is counted") {
    StateStore store(0);
    add(store, 0)->weights.data()[3] = 0.5F;
    const std::shared_ptr<const State> best = store.publish(0);
    store.wait(0, {1.0, 1.0, 0});
    const std::shared_ptr<State> copy = store.resume(0);
    REQUIRE(copy);
    CHECK(copy.get() != best.get());
    CHECK(copy->weights.data()[3] == 0.5F);
    CHECK(store.use().held_bytes == 2 * kBytes);
    store.wait(1, {1.0, 1.0, 0});
    CHECK(store.resume(0) == copy);  // the candidate owns its state again
}

TEST_CASE("a state that cannot be allocated is not counted") {
    StateStore store(0);
    CHECK_THROWS_AS(store.add(0, kBytes, []() -> State { throw std::bad_alloc(); }), std::bad_alloc);
    CHECK(store.use().held_bytes == 0);
    CHECK_FALSE(store.resume(0));
}

// Each thread works on its own candidates; states of all candidates may be dropped.
TEST_CASE("many concurrent threads keep the limit, the count and every state that was not dropped") {
    constexpr int kThreads = 4;
    constexpr int kEach = 16;
    constexpr std::int64_t kLimit = 20 * kBytes;
    StateStore store(kLimit);
    std::atomic<int> wrong{0};
    const auto work = [&](int thread) {
        std::mt19937 random(static_cast<unsigned>(thread));
        std::vector<std::shared_ptr<const State>> published(1);
        for (int round = 0; round < 2000; ++round) {
            const auto candidate = static_cast<std::int32_t>(thread * kEach + static_cast<int>(random() % kEach));
            std::shared_ptr<State> state = store.resume(candidate);
            if (!state) state = add(store, candidate);
            if (state->epochs != candidate + 1) ++wrong;
            state->weights.data()[0] += 1.0F;
            if (random() % 8 == 0) published[0] = store.publish(candidate);
            state.reset();
            if (random() % 8 == 0) {
                store.release(candidate);
            } else {
                store.wait(static_cast<std::int32_t>(random() % 3),
                           {static_cast<double>(random() % 5), 0.0, candidate});
            }
        }
    };
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < kThreads; ++thread) threads.emplace_back(work, thread);
    }
    CHECK(wrong == 0);
    CHECK(store.use().peak_bytes <= kLimit);  // at most 3 states per thread are in use or published
    CHECK(store.use().dropped > 0);
    for (std::int32_t candidate = 0; candidate < kThreads * kEach; ++candidate) store.release(candidate);
    CHECK(store.use().held_bytes == 0);
}
