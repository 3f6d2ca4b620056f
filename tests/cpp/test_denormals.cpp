// Tests that denormals are flushed only while requested, and that training leaves none behind.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ash/train/denormals.hpp"
#include "ash/train/network.hpp"
#include "recipe_help.hpp"
#include "team_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

// Returns 1e-20 * 1e-20, which is denormal. The factors are volatile, so that the processor computes the product and
// not the compiler.
float product() {
    volatile float small = 1e-20F;
    volatile float result = small * small;
    return result;
}

float sum_with_denormal() {
    volatile float denormal = std::numeric_limits<float>::denorm_min();
    volatile float result = denormal + denormal;
    return result;
}

bool flushes() { return product() == 0.0F && sum_with_denormal() == 0.0F; }
bool keeps() { return product() > 0.0F && sum_with_denormal() > 0.0F; }

bool is_denormal(float value) { return std::fpclassify(value) == FP_SUBNORMAL; }

std::int64_t denormals(const AlignedFloats& floats) {
    return std::count_if(floats.data(), floats.data() + floats.size(), is_denormal);
}

// Returns the optimizer's moments after updates in which all gradients are zero.
AlignedFloats decayed(const Kernels& kernels, int updates) {
    const Block block{1, 16, 16};
    const AlignedFloats gradient(16);
    AlignedFloats weights(16);
    AlignedFloats moments(32);
    std::fill_n(moments.data(), 32, 1.0F);
    const Update update{Optimizer::adam, 0.1F, 0.0F, 0.9F, 0.95F, 1e-8F, 0.0F, 1.0F, 1.0F, 1.0F};
    for (int i = 0; i < updates; ++i)
        kernels.update(update, {weights.data(), gradient.data(), moments.data(), moments.data() + 16, block});
    return moments;
}

}  // namespace

TEST_CASE("denormals are flushed on the guard's thread until the guard's scope ends, even by an exception") {
    CHECK(keeps());
    {
        const FlushDenormals outer;
        CHECK(flushes());
        {
            const FlushDenormals inner;
            CHECK(flushes());
        }
        CHECK(flushes());
        volatile float least = std::numeric_limits<float>::min();
        CHECK(least * 1.0F == std::numeric_limits<float>::min());
    }
    CHECK(keeps());
    bool elsewhere = false;
    std::thread([&] {
        const FlushDenormals flush;
        elsewhere = flushes();
    }).join();
    CHECK(elsewhere);
    CHECK(keeps());
    try {
        const FlushDenormals flush;
        throw std::runtime_error("ends it");
    } catch (const std::runtime_error&) {
        CHECK(keeps());
    }
}

TEST_CASE("decaying moments stay denormal, but become zero if denormals are flushed") {
    for (const Kernels* kernels : available_kernels()) {
        CHECK(denormals(decayed(*kernels, 4000)) > 0);
        const FlushDenormals flush;
        const AlignedFloats moments = decayed(*kernels, 4000);
        CHECK(std::all_of(moments.data(), moments.data() + 32, [](float value) { return value == 0.0F; }));
    }
}

// Units with biases far below zero are dead: their weights get no gradient and only decay.
TEST_CASE("a job whose gradients vanish leaves no denormal in weights and moments") {
    const Data data = make_mixed_data(40, 3);
    for (const Optimizer optimizer : {Optimizer::momentum, Optimizer::adam, Optimizer::adamw}) {
        Settings settings = recipe(optimizer, 0);
        settings.activations.assign(2, Activation::relu);
        settings.parametric_activation = false;  // a parametric unit passes on a share of x, so it never dies
        settings.beta2 = 0.95;
        settings.l2 = 0.0;
        settings.weight_decay = optimizer == Optimizer::adamw ? 10.0 : 0.0;  // a factor of 0.9 per step at rate 0.01
        settings.learning_rate_schedule = LearningRateSchedule::constant;
        Workspace workspace(data, {&settings, 1});
        State state = initial_state(data.shape(), settings, 5, 2);
        const auto go_on = [&](std::int64_t epochs) {
            return train(data, settings, {.epochs = epochs, .seed = 5, .candidate = 2}, kernels(""), state, workspace);
        };
        go_on(3);
        const Layer& first = state.layout.layers().front();
        std::fill_n(state.weights.data() + first.offset + first.inputs * first.stride, first.outputs, -1e6F);
        CHECK_FALSE(go_on(3000).diverged);
        for (const AlignedFloats* floats : {&state.weights, &state.first_moment, &state.second_moment})
            CHECK(denormals(*floats) == 0);
        const float* moments = state.first_moment.data() + first.offset;
        CHECK(std::all_of(moments, moments + first.size(), [](float value) { return value == 0.0F; }));
    }
}

TEST_CASE("training, scoring, helping and predicting restore the thread's mode") {
    const Data data = make_mixed_data(120, 3);
    const Settings settings = recipe(Optimizer::adam, 16);
    const Trained trained = trained_by(data, settings, {2}, kernels(""));
    CHECK(keeps());
    const std::vector<double> x(kMixedFeatures);
    std::vector<float> results(3);
    CHECK(Network(trained.state, data).predict(x.data(), 1, 1, kernels(""), results.data()));
    CHECK(keeps());
}

TEST_CASE("a team member flushes denormals like the owner, and restores its mode") {
    std::atomic<std::uint32_t> bell{0};
    Team team(bell);
    team.open(1, no_ring, nullptr);
    std::atomic<bool> helped{false};
    std::atomic<bool> flushed{false};
    std::atomic<bool> kept{false};
    std::thread member([&, invitation = team.invitation(bell)] {
        Workspace scratch;
        team.help(invitation, scratch);
        kept = keeps();
    });
    const std::thread::id owner = std::this_thread::get_id();
    while (team.size() == 1) std::this_thread::yield();
    Workspace own;
    team.share(2, own, [&](int, Workspace&) {
        if (std::this_thread::get_id() != owner) {
            flushed = flushes();
            helped = true;
        }
        while (!helped) std::this_thread::yield();
    });
    team.close();
    member.join();
    CHECK(flushed);
    CHECK(kept);
}
