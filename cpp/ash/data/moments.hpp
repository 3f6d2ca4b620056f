// moments.hpp: mean and standard deviation of columns, in one pass over rows that are added one by one.
//
//     w, w d, w d^2  with  d = x - shift      mean = shift + sum(w d) / sum(w)
//                                             variance = (sum(w d^2) - sum(w d)^2 / sum(w)) / sum(w)
//
// The shift of a column is its first value, so a large mean costs no digits. If that value lies k deviations from the
// mean, the variance loses a factor k^2, which is at most the number of rows n. Its relative error stays below
// n * 2^-52.
//
// Invariants: (1) a column whose values are all exactly equal has a scale of 1. So has a column without rows, whose
//                 mean is 0;
//             (2) the sums run in order of add(), in double.
// Threads:    one. Cost: add() is one sweep over a row; 25 bytes per column.
#pragma once

#include <cstdint>
#include <vector>

#include "ash/data/scaling.hpp"

namespace ash {

class Moments {
  public:
    explicit Moments(int columns);

    // One row [columns]; it counts as `weight` rows. REQUIRES: weight > 0.
    void add(const double* row, double weight);

    // Mean and deviation, without a clip.
    Scaling scaling() const;

  private:
    std::vector<double> shift_;
    double weight_ = 0.0;
    std::vector<double> sum_;
    std::vector<double> squares_;
    std::vector<std::uint8_t> varies_;
};

}  // namespace ash
