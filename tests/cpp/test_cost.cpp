// Compares the cost of a job with multiply-adds counted one by one, and with cases computed by hand.
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "ash/model/cost.hpp"

using namespace ash;

namespace {

Layout layout_of(int features, const std::vector<int>& hidden, int outputs, int numbers = 0) {
    Settings settings;
    settings.hidden = hidden;
    settings.activations.assign(hidden.size(), Activation::relu);
    if (numbers > 0) settings.embedding = Embedding::periodic;
    return {{features, outputs, numbers}, settings};
}

// Counts the multiply-adds of the products in loops over lines of 16 columns, including padding. Adds the multiply-adds
// of the embedding, if there is one.
std::int64_t counted(const Layout& layout, std::int64_t training, std::int64_t validation, std::int64_t epochs) {
    std::int64_t count = 0;
    const auto product = [&](std::int64_t rows, std::int64_t columns, std::int64_t terms) {
        for (std::int64_t row = 0; row < rows; ++row) {
            for (std::int64_t line = 0; line < columns; line += 16) count += 16 * terms;
        }
    };
    for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
        bool first = !layout.embeds();
        for (const Layer& layer : layout.layers()) {
            product(training, layer.outputs, layer.inputs);              // forward
            product(layer.inputs, layer.outputs, training);              // gradient
            if (!first) product(training, layer.inputs, layer.outputs);  // delta of the layer below
            first = false;
        }
    }
    for (const Layer& layer : layout.layers()) product(validation, layer.outputs, layer.inputs);
    const std::int64_t cosines = 16 * ((layout.embedding().numbers + 15) / 16 * 16);
    return count + cosines * (12 * (epochs * training + validation) + 24 * epochs * training);
}

}  // namespace

TEST_CASE("a job costs the multiply-adds of its products") {
    for (const std::vector<int>& hidden : {std::vector<int>{}, {1}, {7}, {16, 3}, {5, 130, 9}}) {
        for (const std::int64_t epochs : {1, 2, 5}) {
            for (const int numbers : {0, 1, 11}) {
                const Layout layout = layout_of(11, hidden, 4, numbers);
                CHECK(job_cost(layout, 37, 13, epochs) == static_cast<double>(counted(layout, 37, 13, epochs)));
            }
        }
    }
}

TEST_CASE("a 64-128-64-10 network has the cost computed by hand") {
    const Layout layout = layout_of(64, {128, 64}, 10);
    CHECK(prediction_cost(layout) == 8192 + 8192 + 64 * 16);
    CHECK(training_cost(layout) == 2 * 17408 + 8192 + 640);
    CHECK(job_cost(layout, 1000, 200, 8) == 8'000.0 * 43648 + 200.0 * 17408);
}

TEST_CASE("a network with 3 of 8 features embedded has the cost computed by hand, and input factors cost nothing") {
    Settings settings;
    settings.embedding = Embedding::periodic;
    const Layout layout({8, 10, 3}, settings);
    CHECK(prediction_cost(layout) == 16 * 12 * 16 + 17 * 64 + 64 * 16);
    CHECK(training_cost(layout) == 16 * 36 * 16 + 2 * (17 * 64 + 64 * 16) + 64 * 32 + 10 * 64);
    settings.input_scaling = true;
    settings.parametrization = Parametrization::ntk;
    CHECK(training_cost(Layout({8, 10, 3}, settings)) == training_cost(layout));
    settings.embedding = Embedding::none;
    CHECK(training_cost(Layout({8, 10, 3}, settings)) == 2 * (8 * 64 + 64 * 16) + 10 * 64);
}

TEST_CASE("costs beyond 64 bits are finite numbers") {
    const Layout layout = layout_of(1 << 20, {1 << 14}, 2);
    const double cost = job_cost(layout, std::int64_t{1} << 31, 1, std::int64_t{1} << 62);
    CHECK(cost > 0x1p128);
    CHECK(cost < 0x1.01p128);
}
