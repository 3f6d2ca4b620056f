// epoch_cut.hpp: how a pass over the training rows is cut into epochs, and which rows an epoch takes.
//
//     pass 0, in a random order   [ epoch 0 | epoch 1 | epoch 2 ] xx     xx: fewer rows than a pass has parts; they wait
//     pass 1, in another one      [ epoch 3 | epoch 4 | epoch 5 ] xx         for another pass
//
// A pass over a large table is too long a first rung: nothing would be compared in time. All epochs have equally many
// rows, so that equal epochs cost the same; with one part an epoch is a pass.
//
// Invariants: (1) no row comes twice in a pass, and fewer than parts() are left out;
//             (2) which rows an epoch takes is a function of its number and the order of its pass, so a job can go on
//                 in the middle of a pass.
#pragma once

#include <cstdint>

namespace ash {

class EpochCut {
  public:
    struct Window {
        std::int64_t pass;
        std::int64_t first;  // place in the order of the pass
    };

    EpochCut() = default;

    // most: rows of an epoch at most; 0: all.
    EpochCut(std::int64_t rows, std::int64_t most)
        : parts_(most > 0 && most < rows ? (rows - 1) / most + 1 : 1), rows_(rows / parts_) {}

    std::int64_t parts() const { return parts_; }  // epochs of a pass
    std::int64_t rows() const { return rows_; }    // of an epoch

    // epoch: since initialization.
    Window window(std::int64_t epoch) const { return {epoch / parts_, epoch % parts_ * rows_}; }

  private:
    std::int64_t parts_ = 1;
    std::int64_t rows_ = 0;
};

}  // namespace ash
