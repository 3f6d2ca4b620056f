// moments.hpp: mean and standard deviation of columns, from rows that come by, in one pass.
//
//     w, w d, w d^2  with  d = x - shift      mean = shift + sum(w d) / sum(w)
//                                             variance = (sum(w d^2) - sum(w d)^2 / sum(w)) / sum(w)
//
// The shift of a column is its first value, so a large mean costs no digits. Where that value lies k deviations from the
// mean, the variance has lost a factor k^2, at most the number of rows n: its relative error stays below n * 2^-52.
//
// Invariants: (1) NaN is a missing value: it counts for nothing in its column;
//             (2) constant: exactly, all values that are there are equal; so is a column without values, of mean 0;
//             (3) the sums run in order of add(), in double.
// Threads:    one. Cost: add() is one sweep over a row; 40 bytes a column.
#pragma once

#include <cstdint>
#include <vector>

namespace ash {

// z = (x - mean) / scale, in double; computed as (x - mean) * (1 / scale), wherever it is.
struct Scaling {
    std::vector<double> mean;
    std::vector<double> scale;  // standard deviation; 1 where the column is constant
};

// 1 / scale of each column.
std::vector<double> inverse(const Scaling& scaling);

class Moments {
  public:
    explicit Moments(int columns);

    // One row [columns]; weight > 0: as if it came so many times.
    void add(const double* row, double weight);

    Scaling scaling() const;
    bool constant(int column) const { return !varies_[static_cast<std::size_t>(column)]; }

  private:
    void set_shifts(const double* row);

    std::vector<double> shift_;  // NaN: no value yet
    std::vector<double> weight_;
    std::vector<double> sum_;
    std::vector<double> squares_;
    std::vector<std::uint8_t> varies_;
    std::size_t without_shift_;  // columns
};

}  // namespace ash
