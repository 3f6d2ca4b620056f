// epoch_cut.hpp: divides a pass over the training rows into epochs, and determines the rows of each epoch.
//
//     pass 0, in a random order   [ epoch 0 | epoch 1 | epoch 2 ] xx     xx: the remaining rows of a pass, which are
//     pass 1, in another order    [ epoch 3 | epoch 4 | epoch 5 ] xx         left out; fewer than parts()
//
// If an epoch were a whole pass, a large table would make the first rung too long to compare candidates in time. All
// epochs have the same number of rows, so they cost the same. If parts() is 1, an epoch is a whole pass.
//
// Invariants: (1) no row occurs twice in a pass, and fewer than parts() rows are left out;
//             (2) the rows of an epoch are a function of its number and the order of its pass, so a job can start in
//                 the middle of a pass.
#pragma once

#include <cstdint>

namespace ash {

class EpochCut {
  public:
    struct Window {
        std::int64_t pass;
        std::int64_t first;  // index of the epoch's first row in the order of the pass
    };

    EpochCut() = default;

    // most: the maximum number of rows per epoch; 0 for no limit.
    EpochCut(std::int64_t rows, std::int64_t most)
        : parts_(most > 0 && most < rows ? (rows - 1) / most + 1 : 1), rows_(rows / parts_) {}

    std::int64_t parts() const { return parts_; }  // epochs per pass
    std::int64_t rows() const { return rows_; }    // rows per epoch

    // Returns where an epoch starts. The epoch consists of the rows() rows from there on. epoch: the number of the
    // epoch, counted from the initialization of the candidate.
    Window window(std::int64_t epoch) const { return {epoch / parts_, epoch % parts_ * rows_}; }

  private:
    std::int64_t parts_ = 1;
    std::int64_t rows_ = 0;
};

}  // namespace ash
