// moments.hpp: mean and standard deviation of columns, from rows that come by, in one pass.
//
//     w, w d, w d^2  with  d = x - shift      mean = shift + sum(w d) / sum(w)
//                                             variance = (sum(w d^2) - sum(w d)^2 / sum(w)) / sum(w)
//
// The shift of a column is its first value, so a large mean costs no digits. Where that value lies k deviations from the
// mean, the variance has lost a factor k^2, at most the number of rows n: its relative error stays below n * 2^-52.
//
// Invariants: (1) a column whose values are all equal, exactly, has a scale of 1; so has one without rows, of mean 0;
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

    // One row [columns]; weight > 0: as if it came that many times.
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
