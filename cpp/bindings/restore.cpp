#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "ash/search/records.hpp"
#include "ash/search/replay.hpp"
#include "bindings/common.hpp"
#include "bindings/owning_tuner.hpp"
#include "bindings/records.hpp"
#include "bindings/state_parts.hpp"

namespace ash::bindings {
namespace {

void restore(OwningTuner& owner, const py::dict& jobs, const Array<double>& fold_scores,
             const Array<std::int64_t>& steps, const py::dict& assists, double seconds) {
    require(fold_scores.ndim() == 2 && fold_scores.shape(1) == owner.candidates->folds(), "fold_scores: one per fold");
    owner.tuner.restore(known_jobs(jobs, fold_scores), steps_of(steps), assists_of(assists), seconds);
}

void restore_state(OwningTuner& owner, std::int32_t candidate, std::int32_t rung,
                   const std::vector<StateParts>& folds) {
    owner.tuner.restore_state(candidate, rung, states_of(folds));
}

py::object states(OwningTuner& owner, std::int32_t candidate, std::int32_t rung) {
    return made(bindings::parts_of(owner.tuner.states(candidate, rung)));
}

// Adds states to a kept job that lacks them. Raises ValueError or RuntimeError if they are not the states after that
// job.
void fill_state(OwningTuner& owner, std::int32_t candidate, std::int32_t rung, const std::vector<StateParts>& folds) {
    owner.tuner.fill(candidate, rung, states_of(folds));
}

py::list kept_jobs(const OwningTuner& owner) {
    py::list all;
    for (const Kept& each : owner.tuner.kept()) {
        all.append(py::make_tuple(each.candidate, each.rung, each.external || !each.states.empty()));
    }
    return all;
}

void complete(OwningTuner& owner, int most) {
    require(most >= 0, "most: 0 or more");
    Released released;  // the caller's argument keeps the tuner alive
    const auto interrupted = [&] {
        const Back back(released);
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        return false;
    };
    owner.tuner.complete(most, interrupted);
}

}  // namespace

void bind_restoring(py::class_<OwningTuner>& tuner) {
    tuner
        .def("restore", &restore, py::arg("jobs"), py::arg("fold_scores").noconvert(), py::arg("steps").noconvert(),
             py::arg("assists"), py::arg("seconds"))
        .def("restore_state", &restore_state, py::arg("candidate"), py::arg("rung"), py::arg("folds"))
        .def("fill_state", &fill_state, py::arg("candidate"), py::arg("rung"), py::arg("folds"))
        .def("states", &states, py::arg("candidate"), py::arg("rung"))
        .def("kept_jobs", &kept_jobs)
        .def("complete", &complete, py::arg("most"));
}

}  // namespace ash::bindings
