#include "ash/cost.hpp"

#include "ash/aligned.hpp"

namespace ash {
namespace {

std::int64_t whole_lines(std::int64_t columns) { return (columns + kLineFloats - 1) / kLineFloats * kLineFloats; }

double forward(const Layer& layer) { return static_cast<double>(layer.inputs * whole_lines(layer.outputs)); }

double delta(const Layer& layer) { return static_cast<double>(layer.outputs * whole_lines(layer.inputs)); }

}  // namespace

double prediction_cost(const Layout& layout) {
    double sum = 0.0;
    for (const Layer& layer : layout.layers()) sum += forward(layer);
    return sum;
}

double training_cost(const Layout& layout) {
    double sum = 2.0 * prediction_cost(layout);
    for (const Layer& layer : layout.layers().subspan(1)) sum += delta(layer);
    return sum;
}

double job_cost(const Layout& layout, std::int64_t training_rows, std::int64_t validation_rows, std::int64_t epochs) {
    const double epoch = static_cast<double>(training_rows) * training_cost(layout);
    return static_cast<double>(epochs) * epoch + static_cast<double>(validation_rows) * prediction_cost(layout);
}

}  // namespace ash
