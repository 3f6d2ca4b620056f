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
#include "bindings/state_parts.hpp"

namespace ash::bindings {
namespace {

// Returns `columns[name]`. Throws std::invalid_argument unless this array has one dimension and `rows` values.
template <typename T>
Array<T> field(const py::dict& columns, const char* name, std::size_t rows) {
    auto values = columns[name].cast<Array<T>>();
    require(values.ndim() == 1 && view(values).size() == rows, name);
    return values;
}

// Converts the number of a candidate, rung or thread, or a count of threads, to 32 bits.
std::int32_t number(std::int64_t value) { return narrow<std::int32_t>(value, "a number of a record is out of range"); }

std::vector<KnownJob> known_jobs(const py::dict& columns, const Array<double>& fold_scores) {
    require(fold_scores.ndim() == 2, "fold_scores: two dimensions");
    const auto rows = static_cast<std::size_t>(fold_scores.shape(0));
    const auto candidate = field<std::int64_t>(columns, "candidate", rows);
    const auto rung = field<std::int64_t>(columns, "rung", rows);
    const auto epochs = field<std::int64_t>(columns, "epochs", rows);
    const auto thread = field<std::int64_t>(columns, "thread", rows);
    const auto team = field<std::int64_t>(columns, "team", rows);
    const auto team_limit = field<std::int64_t>(columns, "team_limit", rows);
    const auto score = field<double>(columns, "score", rows);
    const auto loss = field<double>(columns, "loss", rows);
    const auto training_loss = field<double>(columns, "training_loss", rows);
    const auto weights_hash = field<std::uint64_t>(columns, "weights_hash", rows);
    const auto start = field<double>(columns, "start", rows);
    const auto end = field<double>(columns, "end", rows);
    const auto folds = static_cast<std::size_t>(fold_scores.shape(1));
    std::vector<KnownJob> jobs;
    jobs.reserve(rows);
    for (std::size_t row = 0; row < rows; ++row) {
        const auto at = static_cast<py::ssize_t>(row);
        const Job job{number(candidate.at(at)), number(rung.at(at)), epochs.at(at)};
        const bool diverged = is_diverged(score.at(at), loss.at(at));
        const auto scores = view(fold_scores).subspan(row * folds, folds);
        jobs.push_back(
            {.record = {.task = {.job = job},
                        .thread = number(thread.at(at)),
                        .score = score.at(at),
                        .loss = loss.at(at),
                        .training_loss = training_loss.at(at),
                        .weights_hash = weights_hash.at(at),
                        .start = start.at(at),
                        .end = end.at(at),
                        .team = number(team.at(at)),
                        .team_limit = number(team_limit.at(at)),
                        .diverged = diverged},
             .fold_scores = diverged ? std::vector<double>{} : std::vector<double>(scores.begin(), scores.end())});
    }
    return jobs;
}

// Converts an array, whose rows are (candidate, rung, finished), to steps.
std::vector<Step> steps_of(const Array<std::int64_t>& rows) {
    require(rows.ndim() == 2 && rows.shape(1) == 3, "steps: three columns");
    std::vector<Step> steps;
    for (auto row = view(rows); !row.empty(); row = row.subspan(3)) {
        steps.push_back({number(row[0]), number(row[1]), row[2] != 0});
    }
    return steps;
}

std::vector<Assist> assists_of(const py::dict& columns) {
    const auto rows = static_cast<std::size_t>(py::len(columns["candidate"]));
    const auto candidate = field<std::int64_t>(columns, "candidate", rows);
    const auto rung = field<std::int64_t>(columns, "rung", rows);
    const auto thread = field<std::int64_t>(columns, "thread", rows);
    const auto start = field<double>(columns, "start", rows);
    const auto end = field<double>(columns, "end", rows);
    const auto busy = field<double>(columns, "busy", rows);
    std::vector<Assist> assists;
    for (py::ssize_t row = 0; row < candidate.size(); ++row) {
        const Job job{number(candidate.at(row)), number(rung.at(row)), 0};
        assists.push_back({job, number(thread.at(row)), start.at(row), end.at(row), busy.at(row)});
    }
    return assists;
}

Array<std::int64_t> steps(const OwningTuner& owner, std::size_t first) {
    const std::vector<Step> found = owner.tuner.steps(first);
    Array<std::int64_t> rows({std::ssize(found), py::ssize_t{3}});
    std::int64_t* to = rows.mutable_data();
    for (const Step& step : found) {
        *to++ = step.candidate;
        *to++ = step.rung;
        *to++ = step.finished ? 1 : 0;
    }
    return rows;
}

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
        .def("steps", &steps, py::arg("first") = 0)
        .def("fill_state", &fill_state, py::arg("candidate"), py::arg("rung"), py::arg("folds"))
        .def("states", &states, py::arg("candidate"), py::arg("rung"))
        .def("kept_jobs", &kept_jobs)
        .def("complete", &complete, py::arg("most"))
        .def("retired", [](OwningTuner& owner) { return array(owner.tuner.take_retired()); });
}

}  // namespace ash::bindings
