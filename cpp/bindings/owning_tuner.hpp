// owning_tuner.hpp: what Python holds as a Tuner, for the two files that bind it.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "ash/data.hpp"
#include "ash/folds.hpp"
#include "ash/tuner.hpp"
#include "bindings/common.hpp"

namespace ash::bindings {

// A tuner with the data of its folds, one at least, that its candidates refer to and that must outlive its threads.
struct OwningTuner {
    std::vector<std::shared_ptr<Data>> data;
    FoldedCandidates* candidates;  // of the tuner
    int threads;
    std::unique_ptr<Tuner> owned;
    Tuner& tuner = *owned;

    OwningTuner(std::vector<std::shared_ptr<Data>> folds, std::unique_ptr<FoldedCandidates> its_candidates,
                const TunerSettings& settings)
        : data(std::move(folds)),
          candidates(its_candidates.get()),
          threads(settings.threads),
          owned(std::make_unique<Tuner>(std::move(its_candidates), settings)) {}
    OwningTuner(const OwningTuner&) = delete;
    OwningTuner& operator=(const OwningTuner&) = delete;
    ~OwningTuner() {
        const py::gil_scoped_release release;  // its threads may be waiting to call a scorer
        tuner.stop();
        owned->join();
    }
};

// restore, restore_state, states, kept_jobs, complete, retired: what a journal needs (history.cpp).
void bind_history(py::class_<OwningTuner>& tuner);

}  // namespace ash::bindings
