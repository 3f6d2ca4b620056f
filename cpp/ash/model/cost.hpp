// cost.hpp: computes the cost of a job, that is, its number of multiply-adds. The cost is equal on every machine, so
// virtual time is measured in multiply-adds.
//
//     a row, forward                      w0 + w1 + ... + wL                w = inputs * [outputs] of a layer
//     a row, trained       forward   +    w0 + w1 + ... + wL  (gradients)   +   d1 + ... + dL  (deltas)
//                                                                           d = outputs * [inputs] of a layer
//     an embedding         16 * 12 per embedded feature forward; 16 * 24 more per feature, and d0, to train it
//     a job                epochs * rows of an epoch * trained   +   validation rows * forward
//
// w and d are the multiply-adds of the three products of product.hpp as the kernels compute them. So the numbers in
// brackets are rounded up to multiples of 16, as is the number of embedded features. Biases, activations and updates
// are not counted.
//
// Exact: costs are sums and products of integers in double. They are exact below 2^53, and above that rounded in the
//        same way on every machine. Cost: a few additions per layer.

#pragma once

#include <cstdint>

#include "ash/model/layout.hpp"

namespace ash {

// prediction_cost() returns the cost of predicting one row. training_cost() returns the cost of training on one row.
double prediction_cost(const Layout& layout);
double training_cost(const Layout& layout);

// Returns the cost of a job. epochs: the number of epochs of this job only, without those of lower rungs.
double job_cost(const Layout& layout, std::int64_t epoch_rows, std::int64_t validation_rows, std::int64_t epochs);

}  // namespace ash
