// moments.hpp: computes the mean and standard deviation of columns in one pass over rows, which are added one at a
// time.
//
//     sums of w, w d, w d^2                   mean = shift + sum(w d) / sum(w)
//     w: weight of the row,  d = x - shift    variance = (sum(w d^2) - sum(w d)^2 / sum(w)) / sum(w)
//
// The shift of a column is its first value, so a large mean loses no precision. If the first value is k standard
// deviations from the mean, the relative error of the variance grows by a factor k^2. If all weights are equal, k^2 is
// at most the number of rows n, so the error stays below n * 2^-52.
//
// Invariants: (1) a column whose values are all exactly equal has a scale of 1. If no row was added, every
//                 column has a scale of 1 and a mean of 0;
//             (2) the sums are computed in double, in the order of add().
// Threads:    an object belongs to one thread. Cost: add() is one sweep over a row. Memory: 25 bytes per column.
#pragma once

#include <cstdint>
#include <vector>

#include "ash/data/scaling.hpp"

namespace ash {

class Moments {
  public:
    explicit Moments(int columns);

    // Adds one row [columns], which counts as `weight` rows. REQUIRES: weight > 0.
    void add(const double* row, double weight);

    // Returns a scaling with the mean as center and the standard deviation as scale, without a clip.
    Scaling scaling() const;

  private:
    std::vector<double> shift_;
    double weight_ = 0.0;
    std::vector<double> sum_;
    std::vector<double> squares_;
    std::vector<std::uint8_t> varies_;
};

}  // namespace ash
