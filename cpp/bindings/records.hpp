// records.hpp: converts the records of a search to Python and back, for the classes Tuner and Search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ash/search/records.hpp"
#include "ash/search/replay.hpp"
#include "bindings/common.hpp"

namespace ash::bindings {

// Return a dict of columns, in the order of the records.
py::dict columns_of(const std::vector<JobRecord>& jobs);
py::dict columns_of(const std::vector<Assist>& assists);

// Returns rows of (candidate, rung, finished).
Array<std::int64_t> rows_of(const std::vector<Step>& steps);

// Returns tuples (kind, candidate, rung, seconds, score).
py::list tuples_of(const std::vector<Event>& events);

// The opposite directions. fold_scores: [jobs][folds]. Throw std::invalid_argument for columns of other lengths.
std::vector<KnownJob> known_jobs(const py::dict& columns, const Array<double>& fold_scores);
std::vector<Step> steps_of(const Array<std::int64_t>& rows);
std::vector<Assist> assists_of(const py::dict& columns);

// Binds the methods that read the records; the class has records() and held().
template <typename Owner>
void bind_records(py::class_<Owner>& bound) {
    bound.def("events", [](Owner& owner) { return tuples_of(owner.records().take_events()); })
        .def(
            "jobs", [](const Owner& owner, std::size_t first) { return columns_of(owner.records().jobs(first)); },
            py::arg("first") = 0)
        .def("held", [](const Owner& owner) { return columns_of(owner.held()); })
        .def(
            "steps", [](const Owner& owner, std::size_t first) { return rows_of(owner.records().steps(first)); },
            py::arg("first") = 0)
        .def(
            "assists", [](const Owner& owner, std::size_t first) { return columns_of(owner.records().assists(first)); },
            py::arg("first") = 0)
        .def("retired", [](Owner& owner) { return array(owner.records().take_retired()); })
        .def_property_readonly("rungs", [](const Owner& owner) { return rung_rows(owner.records().rungs()); });
}

}  // namespace ash::bindings
