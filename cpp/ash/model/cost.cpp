#include "ash/model/cost.hpp"

#include "ash/data/aligned.hpp"

namespace ash {
namespace {

std::int64_t whole_lines(std::int64_t columns) { return (columns + kLineFloats - 1) / kLineFloats * kLineFloats; }

double forward(const Layer& layer) { return static_cast<double>(layer.inputs * whole_lines(layer.outputs)); }

double delta(const Layer& layer) { return static_cast<double>(layer.outputs * whole_lines(layer.inputs)); }

// Multiply-adds of embedding one feature: 12 for each of 16 frequencies (a cosine and 3 multiply-adds). The gradient
// takes 24 per frequency (a cosine, a sine and 8 multiply-adds).
constexpr double kEmbed = 16.0 * 12.0;
constexpr double kEmbedGradient = 16.0 * 24.0;

double numbers(const Layout& layout) { return static_cast<double>(whole_lines(layout.embedding().numbers)); }

}  // namespace

double prediction_cost(const Layout& layout) {
    double sum = kEmbed * numbers(layout);
    for (const Layer& layer : layout.layers()) sum += forward(layer);
    return sum;
}

double training_cost(const Layout& layout) {
    double sum = (kEmbed + kEmbedGradient) * numbers(layout);
    for (const Layer& layer : layout.layers()) sum += 2.0 * forward(layer);
    for (const Layer& layer : layout.layers().subspan(layout.embeds() ? 0 : 1)) sum += delta(layer);
    return sum;
}

double job_cost(const Layout& layout, std::int64_t epoch_rows, std::int64_t validation_rows, std::int64_t epochs) {
    const double epoch = static_cast<double>(epoch_rows) * training_cost(layout);
    return static_cast<double>(epochs) * epoch + static_cast<double>(validation_rows) * prediction_cost(layout);
}

}  // namespace ash
