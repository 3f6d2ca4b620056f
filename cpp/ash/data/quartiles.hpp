// quartiles.hpp: median, quartiles and range of columns, in one pass over rows; and the robust scale made of them.
//
//     scale = q75 - q25, or (max - min) / 2 where the quartiles are equal     center = q50
//
// Minimum and maximum are of all rows. Quartiles are of all rows if these are few, else of a sample: the rows are cut
// into equal strata, in the order in which they come, and one row of each is drawn.
//
//     rows     | . . x . | x . . . | . . . x | . x . . |     x: in the sample
//
// The rank of a quartile of a sample of m rows is off by at most sqrt(p (1 - p) / m) of the rows (one standard
// deviation, if no value is missing): 0.4 % of the rows for 2^14 rows, 1.1 % for 2^11.
//
// Quantiles with weights: let x(t), 0 <= t < W, be the sorted values one after the other, each as long as its weight.
//
//     q(p) = mean of x(t) over p (W - u) <= t <= p (W - u) + u      u = min(1, W / n), of n values
//
// Rows of equal weight, 1 or less, have numpy's "linear" quantiles (Hyndman and Fan 1996, type 7). Whole weights give
// the quantiles of as many equal rows. This form is by Akinshin, arXiv 2304.07265, whose u is that of the effective
// number of rows.
//
// Invariants: (1) NaN is a missing value: it is ignored in its column;
//             (2) a column is constant if all its values in all rows are exactly equal, or if it has no value;
//             (3) values that are all equal have exactly that value as their quantiles;
//             (4) which rows are in the sample depends only on the numbers of rows and columns;
//             (5) if the sample holds no value of a column, but some row does, all its quartiles are the middle of its
//                 range.
// Threads:    one.
// Cost:       add() is one sweep over a row; scaling() selects in the sample, some 25 ns per cell on one core of 2026, or
//             sorts it if rows have weights, some 80 ns.
// Memory:     the sample, at most 32 MiB for up to 2048 columns whose quartiles are wanted, then 16 KiB per column.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ash/data/scaling.hpp"

namespace ash {

class Quartiles {
  public:
    static constexpr std::int64_t kMostCells = 1 << 22;  // of a sample
    static constexpr std::int64_t kMostRows = 1 << 14;
    static constexpr std::int64_t kFewestRows = 1 << 11;

    // wanted: [columns], whether quartiles are computed; rows: how many will be added, at least 1.
    Quartiles(const std::vector<bool>& wanted, std::int64_t rows);

    // The next row [columns]; it counts as `weight` rows. REQUIRES: weight > 0, and no more than `rows` rows.
    void add(const double* row, double weight);

    // The scaling of the wanted columns; the others are left as they are. If 1 / scale is not finite, the scale is 1.
    Scaling scaling() const;
    bool constant(std::size_t column) const { return !(least_[column] < most_[column]); }

    // Row number `stratum` of a sample of `size` out of `rows`.
    static std::int64_t sampled_row(std::int64_t stratum, std::int64_t size, std::int64_t rows);

  private:
    using Three = std::array<double, 3>;  // q25, q50, q75

    Three quartiles(std::size_t place, double otherwise) const;
    Three weighted_quartiles(std::size_t place, double otherwise) const;

    std::vector<std::size_t> columns_;  // wanted
    std::vector<double> least_;         // of every column; above most_: no value yet
    std::vector<double> most_;
    std::int64_t rows_;
    std::int64_t size_;  // of the sample
    std::int64_t seen_ = 0;
    std::int64_t next_;            // row of the sample
    std::vector<double> sample_;   // [size][wanted columns]
    std::vector<double> weights_;  // [size]
    bool weighted_ = false;        // one of them is not 1
};

}  // namespace ash
