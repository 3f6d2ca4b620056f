// quartiles.hpp: computes median, quartiles and range of columns in one pass over rows, and from these a robust scale.
//
//     center = q50     scale = q75 - q25, or the median of |x - q50| over all x != q50 if q25 = q75
//
// If q25 = q75, at least half of the values equal q50, the mode. A scale from all values would be 0, and one from the
// range would depend on a single outlier: the values 0 and 1 beside one 9999 would be 0.0002 apart. The median distance
// of the other values puts a typical one of them at -1 or 1, whatever the outliers among them. If the sample holds the
// mode only, the scale is (max - min) / 2.
//
// Minimum and maximum are computed from all rows. Quartiles are computed from all rows if the table is small, otherwise
// from a sample. For the sample, the rows are divided into equal strata in their given order, and one row of each
// stratum is drawn.
//
//     rows     | . . x . | x . . . | . . . x | . x . . |     x: in the sample
//
// Let p be 1/4, 1/2 or 3/4. If no value is missing, the share of all values that are below the sample's quantile p is
// about p. With m rows in the sample, the standard error of this share is at most sqrt(p (1 - p) / m): 0.4 % for 2^14
// rows and 1.1 % for 2^11 rows.
//
// Weighted quantiles: let x(t), 0 <= t < W, be the sorted values laid end to end, each as long as its weight. W is
// the sum of all weights.
//
//     q(p) = mean of x(t) over p (W - u) <= t <= p (W - u) + u      u = min(1, W / n) for n values
//
// If all weights are equal and at most 1, these are NumPy's "linear" quantiles (Hyndman and Fan 1996, type 7). Integer
// weights give the same quantiles as repeated rows. The definition is Akinshin's (arXiv 2304.07265), except that his u
// is derived from the effective number of rows.
//
// Invariants: (1) NaN is a missing value and is ignored in its column;
//             (2) a column is constant if all its values in all rows are exactly equal, or if it has no value;
//             (3) quantiles of equal values are exactly that value, so quartiles of a spiked column are exactly equal;
//             (4) the choice of rows in the sample depends only on the number of rows and the number of wanted columns;
//             (5) if the sample holds no value of a column but some row does, all quartiles of that column are the
//                 middle of its range;
//             (6) if q25 = q75, one more value, however large, moves the scale at most to the next distance from the
//                 mode in sorted order.
// Threads:    an object belongs to one thread.
// Cost:       add() is one sweep over a row. scaling() finds the quartiles by selection, in about 25 ns per cell of the
//             sample on one core (2026). If rows have weights, it sorts the cells instead, in about 80 ns per cell.
// Memory:     the sample. If quartiles are computed for up to 2048 columns, it takes at most 32 MiB. For more columns,
//             it takes 16 KiB per column.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ash/data/scaling.hpp"

namespace ash {

class Quartiles {
  public:
    static constexpr std::int64_t kMostCells = 1 << 22;  // maximum number of cells of a sample
    static constexpr std::int64_t kMostRows = 1 << 14;
    static constexpr std::int64_t kFewestRows = 1 << 11;

    // wanted: [columns], whether quartiles of a column are computed. rows: the number of rows to be added, at least 1.
    Quartiles(const std::vector<bool>& wanted, std::int64_t rows);

    // Adds the next row [columns], which counts as `weight` rows. REQUIRES: weight > 0, and at most `rows` rows in
    // total.
    void add(const double* row, double weight);

    // Returns the scaling of all columns. It leaves unwanted columns unchanged. A scale is replaced by 1 if the
    // scale or its inverse is not finite.
    Scaling scaling() const;
    bool constant(std::size_t column) const { return !(least_[column] < most_[column]); }

    // Returns the row drawn from stratum `stratum` for a sample of `size` out of `rows` rows.
    static std::int64_t sampled_row(std::int64_t stratum, std::int64_t size, std::int64_t rows);

  private:
    struct Spread {
        double center;
        double distance;  // q75 - q25, or the median distance of other values from the mode; 0 if unknown
    };

    Spread spread(std::size_t place) const;
    Spread weighted_spread(std::size_t place) const;
    Spread middle_of_range(std::size_t place) const;

    std::vector<std::size_t> columns_;  // wanted columns
    std::vector<double> least_;         // minimum of every column; above most_ if there is no value yet
    std::vector<double> most_;
    std::int64_t rows_;
    std::int64_t size_;  // number of rows of the sample
    std::int64_t seen_ = 0;
    std::int64_t next_;            // number of the next row that belongs to the sample
    std::vector<double> sample_;   // [size][wanted columns]
    std::vector<double> weights_;  // [size]: weights of the rows of the sample
    bool weighted_ = false;        // whether some weight is not 1
};

}  // namespace ash
