#include "ash/initialization.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "ash/denormals.hpp"
#include "ash/propagation.hpp"
#include "ash/random.hpp"

namespace ash {
namespace {

constexpr std::int64_t kMostRows = 1024;
constexpr std::size_t kCorners = 5;       // rows that a bias lies between
constexpr double kLeastVariance = 1e-12;  // of the squared mean: float32 has seven digits

std::vector<std::uint32_t> chosen_rows(std::int64_t count, std::uint64_t seed, std::uint32_t candidate) {
    std::vector<std::uint32_t> order(static_cast<std::size_t>(count));
    shuffle(seed, {candidate, Purpose::initial_rows, 0, 0}, order);
    order.resize(static_cast<std::size_t>(std::min(count, kMostRows)));
    return order;
}

// What layer 0 reads of these rows [rows][padded(its inputs)].
AlignedFloats first_inputs(const Data& data, const State& state, std::span<const std::uint32_t> rows,
                           const Kernels& kernels) {
    const std::int64_t stride = data.training().stride;
    const Layout& layout = state.layout;
    AlignedFloats x(std::ssize(rows) * stride);
    kernels.gather(data.training().x.data(), stride, rows.data(), std::ssize(rows), x.data());
    if (!layout.embeds()) return x;
    AlignedFloats numbers(std::ssize(rows) * layout.embedding().stride);
    AlignedFloats embedded(std::ssize(rows) * padded(layout.layers().front().inputs));
    embed(kernels, layout, state.weights.data(), data.numbers(), x.data(), stride, std::ssize(rows), numbers.data(),
          embedded.data());
    return embedded;
}

// For each column what makes its variance 1; 1 where there is none but rounding.
std::vector<float> factors_of(const float* z, const Block& block) {
    const auto columns = static_cast<std::size_t>(block.columns);
    const auto rows = static_cast<double>(block.rows);
    std::vector<double> means(columns);
    std::vector<double> squares(columns);
    for (const float* row = z; row != z + block.rows * block.stride; row += block.stride)
        for (std::size_t o = 0; o < columns; ++o) means[o] += row[o];
    for (double& mean : means) mean /= rows;
    for (const float* row = z; row != z + block.rows * block.stride; row += block.stride)
        for (std::size_t o = 0; o < columns; ++o) squares[o] += (row[o] - means[o]) * (row[o] - means[o]);
    std::vector<float> factors(columns, 1.0F);
    for (std::size_t o = 0; o < columns; ++o) {
        const double variance = squares[o] / rows;
        const auto factor = static_cast<float>(1.0 / std::sqrt(variance));
        if (variance > kLeastVariance * means[o] * means[o] && std::isfinite(factor)) factors[o] = factor;
    }
    return factors;
}

void scale_columns(float* values, const Block& block, std::span<const float> factors) {
    for (std::int64_t row = 0; row < block.rows; ++row, values += block.stride)
        for (std::size_t o = 0; o < factors.size(); ++o) values[o] *= factors[o];
}

// The negative of a column of z at a point between some of its rows. Gaps between sorted uniform numbers are uniform on
// the simplex (Devroye, Non-uniform random variate generation, 1986, section V.2), as normalized exponentials are.
float bias_of(std::uint64_t seed, const Place& place, std::uint32_t neuron, const float* column, const Block& block) {
    std::array<Words, 3> words{};
    for (std::uint32_t part = 0; part < words.size(); ++part) words[part] = draw(seed, place, 3 * neuron + part);
    const auto word = [&](std::size_t i) { return words[i / 4][i % 4]; };
    std::array<double, kCorners + 1> cuts{};
    for (std::size_t i = 1; i < kCorners; ++i) cuts[i] = unit_float(word(kCorners + i - 1));
    cuts[kCorners] = 1.0;
    std::sort(cuts.begin(), cuts.end());
    double sum = 0.0;
    for (std::size_t i = 0; i < kCorners; ++i) {
        const auto row = static_cast<std::int64_t>((static_cast<std::uint64_t>(block.rows) * word(i)) >> 32U);
        sum += (cuts[i + 1] - cuts[i]) * column[row * block.stride];
    }
    return static_cast<float>(-sum);
}

// Weights and biases of a layer for what it reads; its outputs [rows][stride].
AlignedFloats fit_layer(const Layer& layer, const AlignedFloats& x, std::int64_t x_stride, std::int64_t rows,
                        std::uint64_t seed, const Place& place, const Kernels& kernels, float* weights) {
    AlignedFloats z(rows * layer.stride);
    kernels.product({.a = x.data(),
                     .a_row = x_stride,
                     .a_column = 1,
                     .b = weights,
                     .b_stride = layer.stride,
                     .c = z.data(),
                     .c_stride = layer.stride,
                     .rows = rows,
                     .columns = layer.outputs,
                     .terms = layer.inputs});
    const Block outputs{rows, layer.outputs, layer.stride};
    const std::vector<float> factors = factors_of(z.data(), outputs);
    scale_columns(weights, {layer.inputs, layer.outputs, layer.stride}, factors);
    scale_columns(z.data(), outputs, factors);
    float* biases = weights + layer.inputs * layer.stride;
    for (int o = 0; o < layer.outputs; ++o)
        biases[o] = bias_of(seed, place, static_cast<std::uint32_t>(o), z.data() + o, outputs);
    for (std::int64_t row = 0; row < rows; ++row)
        for (int o = 0; o < layer.outputs; ++o) z.data()[row * layer.stride + o] += biases[o];
    kernels.activate(layer.activation, z.data(), nullptr, outputs);
    return z;
}

void fit(const Data& data, std::uint64_t seed, std::uint32_t candidate, const Kernels& kernels, State& state) {
    const FlushDenormals flush;
    const auto layers = state.layout.layers();
    const std::vector<std::uint32_t> rows = chosen_rows(data.training().count, seed, candidate);
    AlignedFloats x = first_inputs(data, state, rows, kernels);
    std::int64_t stride = x.size() / std::ssize(rows);
    for (std::size_t l = 0; l + 1 < layers.size(); ++l) {
        const Place place{candidate, Purpose::initial_biases, static_cast<std::uint32_t>(l), 0};
        x = fit_layer(layers[l], x, stride, std::ssize(rows), seed, place, kernels,
                      state.weights.data() + layers[l].offset);
        stride = layers[l].stride;
    }
}

}  // namespace

State initial_state(const Data& data, const Settings& settings, std::uint64_t seed, std::uint32_t candidate,
                    const Kernels& kernels) {
    State state = initial_state(data.shape(), settings, seed, candidate);
    if (settings.initialization == Initialization::data) fit(data, seed, candidate, kernels, state);
    return state;
}

}  // namespace ash
