// Tests teams with an embedding and input factors: the weights are bit-identical to those trained without a team, and
// every embedded number is in exactly one block.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "ash/kernels/embedding.hpp"
#include "ash/train/sharing.hpp"
#include "recipe_help.hpp"
#include "team_help.hpp"

using namespace ash;
using namespace ash::testing;

namespace {

// Returns weights, moments and losses after some epochs.
std::vector<float> left_by(const Data& data, const Settings& settings, Team* team) {
    State state = initial_state(data.shape(), settings, 1, 2);
    Workspace workspace(data, {&settings, 1});
    std::vector<double> losses(30);
    const Training training{.epochs = 30, .seed = 1, .candidate = 2, .losses = losses, .team = team};
    train(data, settings, training, kernels(""), state, workspace);
    std::vector<float> all(losses.begin(), losses.end());
    for (const AlignedFloats* floats : {&state.weights, &state.first_moment, &state.second_moment})
        all.insert(all.end(), floats->data(), floats->data() + floats->size());
    return all;
}

}  // namespace

TEST_CASE("the recipe gives the same bits with any team, even if the team changes during training") {
    std::int64_t helped = 0;
    for (const auto& [classes, weighted] : {std::pair{3, true}, {0, false}}) {
        const Data data = make_mixed_data(300, classes, weighted);
        for (const std::int64_t batch : {0, 100, 33}) {
            Settings settings = recipe(Optimizer::adamw, batch);
            settings.precision = batch == 100 ? Precision::bf16 : Precision::fp32;
            const std::vector<float> expected = left_by(data, settings, nullptr);
            for (const int count : {0, 1, 2, 3}) {
                std::atomic<std::uint32_t> bell{0};
                Team team(bell);  // a new team, since a used one may be closed for a pause
                Members members(team, bell, count, [&](Workspace& scratch) {
                    scratch.prepare_to_help(Layout(data.shape(), settings));  // members need only this preparation
                });
                // Repeat until a member has helped: on a busy machine members may join too late.
                for (int run = 0; run < 100 && (run == 0 || (count > 0 && members.blocks() == 0)); ++run) {
                    team.open(count, no_ring, nullptr);
                    CHECK(left_by(data, settings, &team) == expected);
                    team.close();
                }
                helped += members.blocks();
            }
        }
    }
    CHECK(helped > 0);
}

TEST_CASE("every number is in one block, with 16 numbers per block, after the blocks of the last layer") {
    for (const int numbers : {1, 16, 17, 100, 1000}) {
        const Settings settings = recipe(Optimizer::sgd, 0);
        const Layout layout({1000, 3, numbers}, settings);
        WeightCut cut(layout);
        for (const int threads : {2, 5, 2, 64}) {
            std::vector<std::int64_t> next(layout.layers().size() + 1);
            for (const WeightBlock& block : cut.blocks(threads)) {
                CHECK(block.rows.first == next[block.layer]);
                CHECK(block.rows.first % 16 == 0);
                if (block.layer == layout.layers().size()) CHECK(block.rows.count <= embedding::kColumns);
                next[block.layer] += block.rows.count;
            }
            CHECK(next.front() == 1000 + embedding::kDimensions * numbers);
            CHECK(next.back() == numbers);
        }
    }
}
