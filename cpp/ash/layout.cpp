#include "ash/layout.hpp"

#include "ash/aligned.hpp"

namespace ash {

std::int64_t padded(std::int64_t columns) {
    const std::int64_t lines = (columns + kLineFloats - 1) / kLineFloats;
    const bool even_and_wide = columns >= 128 && lines % 2 == 0;
    return (even_and_wide ? lines + 1 : lines) * kLineFloats;
}

Layout::Layout(int features, int outputs, const Settings& settings) {
    int inputs = features;
    const auto add = [&](int width, Activation activation) {
        const Layer layer{inputs, width, activation, padded(width), size_, transposed_size_, row_floats_};
        if (!layers_.empty()) transposed_size_ += width * layer.transposed_stride();
        size_ += layer.size();
        row_floats_ += layer.stride;
        layers_.push_back(layer);
        inputs = width;
    };
    for (std::size_t i = 0; i < settings.hidden.size(); ++i) add(settings.hidden[i], settings.activations[i]);
    add(outputs, Activation::identity);
}

}  // namespace ash
