// owning_tuner.hpp: the object behind Python's Tuner, for the two files that bind it.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/run/candidates.hpp"
#include "ash/run/mailbox.hpp"
#include "ash/run/tuner.hpp"
#include "bindings/common.hpp"

namespace ash::bindings {

// A tuner with the data of its folds, of which there is at least one. The tuner's candidates refer to the data, so the
// data must outlive the tuner's threads.
struct OwningTuner {
    std::vector<std::shared_ptr<Data>> data;
    Candidates* candidates;            // owned by the tuner
    std::shared_ptr<Mailbox> mailbox;  // for jobs sent to other processes; null if jobs are done in this process
    int threads;                       // number of threads for work done in this process
    std::unique_ptr<Tuner> owned;
    Tuner& tuner = *owned;

    OwningTuner(std::vector<std::shared_ptr<Data>> folds, std::unique_ptr<Candidates> its_candidates,
                std::shared_ptr<Mailbox> its_mailbox, const TunerSettings& settings)
        : data(std::move(folds)),
          candidates(its_candidates.get()),
          mailbox(std::move(its_mailbox)),
          threads(std::min(settings.threads, settings.cores)),
          owned(std::make_unique<Tuner>(std::move(its_candidates), settings)) {}
    Records& records() { return tuner.records(); }
    const Records& records() const { return tuner.records(); }
    std::vector<JobRecord> held() const { return tuner.held(); }

    OwningTuner(const OwningTuner&) = delete;
    OwningTuner& operator=(const OwningTuner&) = delete;
    ~OwningTuner() {
        if (tuner.is_forked()) {
            leave();
            return;
        }
        const Released released;  // the tuner's threads may be waiting to call a scorer
        tuner.stop();
        owned->join();
    }

  private:
    // In a forked child, mutexes locked by the parent's threads stay locked, so nothing is touched or freed.
    void leave() {
        static_cast<void>(owned.release());
        if (mailbox) static_cast<void>(new std::shared_ptr<Mailbox>(mailbox));
    }
};

// Binds the methods that a journal needs, such as restore(), states() and complete() (restore.cpp).
void bind_restoring(py::class_<OwningTuner>& tuner);

}  // namespace ash::bindings
