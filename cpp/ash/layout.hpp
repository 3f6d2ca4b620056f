// layout.hpp: where the weights of a network lie in one flat arena.
//
//     layer 0: inputs rows of weights, then one row of biases     each row [outputs] padded with zeros to `stride`
//     layer 1: ...
//
// The same layout serves weights, both moments of the optimizer and, transposed and a layer at a time, the copy that
// the backward pass reads. It depends on shapes alone, never on the instruction set, so states can be compared and
// moved.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ash/settings.hpp"

namespace ash {

// Floats a row of so many columns takes: whole cache lines, and from 128 columns on an odd number of them: rows at a
// power-of-two distance would all fall into the same few sets of the first cache (4 KiB apart: 8 lines in all).
std::int64_t padded(std::int64_t columns);

struct Layer {
    int inputs;
    int outputs;
    Activation activation;    // identity for the last layer; its softmax belongs to the loss
    std::int64_t stride;      // floats a row of weights
    std::int64_t offset;      // of the first row in the arena
    std::int64_t transposed;  // offset of the transposed copy [outputs][padded(inputs)]; unused in layer 0
    std::int64_t row_offset;  // floats that the layers before it need for a row of outputs

    std::int64_t size() const { return (inputs + 1) * stride; }
    std::int64_t transposed_stride() const { return padded(inputs); }
};

class Layout {
  public:
    Layout() = default;
    Layout(int features, int outputs, const Settings& settings);

    std::span<const Layer> layers() const { return layers_; }
    std::int64_t size() const { return size_; }                        // floats
    std::int64_t transposed_size() const { return transposed_size_; }  // floats
    std::int64_t row_floats() const { return row_floats_; }            // outputs of all layers for one row, padded

  private:
    std::vector<Layer> layers_;
    std::int64_t size_ = 0;
    std::int64_t transposed_size_ = 0;
    std::int64_t row_floats_ = 0;
};

}  // namespace ash
