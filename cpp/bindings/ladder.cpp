#include <limits>
#include <utility>
#include <vector>

#include "bindings/common.hpp"

namespace ash::bindings {

LadderSettings ladder_settings(std::int64_t candidates, std::int64_t eta, std::int64_t min_epochs,
                               std::int64_t max_rungs, const std::string& algorithm, const std::string& promotion,
                               std::int64_t max_total_epochs, double stop_score, std::int64_t patience,
                               std::int64_t report_limit, const Rungs& rungs) {
    std::vector<GivenRung> given;
    for (const auto& [places, epochs] : rungs) given.push_back({places, epochs});
    return {.candidates = candidates,
            .eta = eta,
            .min_epochs = min_epochs,
            .max_rungs = max_rungs,
            .algorithm = pick<Algorithm>(
                algorithm, {{"ash", Algorithm::ash}, {"sh", Algorithm::sh}, {"random", Algorithm::random}}),
            .promotion = pick<Promotion>(
                promotion,
                {{"capped", Promotion::capped}, {"paper", Promotion::paper}, {"improving", Promotion::improving}}),
            .max_total_epochs = max_total_epochs,
            .stop_score = stop_score,
            .report_limit = report_limit,
            .patience = patience,
            .rungs = std::move(given)};
}

Schedule schedule_of(const std::string& name) {
    return pick<Schedule>(name, {{"greedy", Schedule::greedy}, {"reproducible", Schedule::reproducible}});
}

const char* name(Ending ending) {
    switch (ending) {
        case Ending::finished:
            return "finished";
        case Ending::stop_score:
            return "stop_score";
        case Ending::max_total_epochs:
            return "max_total_epochs";
        case Ending::patience:
            return "patience";
        case Ending::failures:
            return "failures";
        case Ending::report_limit:
            return "report_limit";
        case Ending::work_limit:
            return "work_limit";
        case Ending::none:
            break;
    }
    return nullptr;
}

py::list rung_rows(const std::vector<RungCounts>& rungs) {
    py::list rows;
    for (const RungCounts& rung : rungs) {
        py::dict row;
        row["places"] = rung.places;
        row["epochs"] = rung.epochs;
        row["running"] = rung.running;
        row["finished"] = rung.finished;
        row["promoted"] = rung.promoted;
        row["diverged"] = rung.diverged;
        rows.append(row);
    }
    return rows;
}

void bind_ladder(py::module_& m) {
    py::class_<Job>(m, "Job")
        .def_readonly("candidate", &Job::candidate)
        .def_readonly("rung", &Job::rung)
        .def_readonly("epochs", &Job::epochs);
    py::class_<Ladder>(m, "Ladder")
        .def(py::init(with_room(+[](std::int64_t candidates, std::int64_t eta, std::int64_t min_epochs,
                                    std::int64_t max_rungs, const std::string& algorithm, const std::string& promotion,
                                    std::int64_t max_total_epochs, double stop_score, std::int64_t patience,
                                    const Rungs& rungs) {
                 return Ladder(ladder_settings(candidates, eta, min_epochs, max_rungs, algorithm, promotion,
                                               max_total_epochs, stop_score, patience, 0, rungs));
             })),
             py::arg("candidates"), py::kw_only(), py::arg("eta") = 2, py::arg("min_epochs") = 1,
             py::arg("max_rungs") = 0, py::arg("algorithm") = "ash", py::arg("promotion") = "capped",
             py::arg("max_total_epochs") = 0, py::arg("stop_score") = std::numeric_limits<double>::quiet_NaN(),
             py::arg("patience") = 0, py::arg("rungs") = Rungs())
        .def("next", &Ladder::next)
        .def(
            "report",
            [](Ladder& ladder, const Job& job, double score, double loss) { ladder.report(job, score, loss); },
            py::arg("job"), py::arg("score"), py::arg("loss"))
        .def("has_job", &Ladder::has_job)
        .def("take_retired", [](Ladder& ladder) { return made(ladder.take_retired()); })
        .def_property_readonly("finished", &Ladder::finished)
        .def_property_readonly("ending", [](const Ladder& ladder) { return name(ladder.ending()); })
        .def_property_readonly("rungs", [](const Ladder& ladder) { return rung_rows(counts(ladder.rungs())); });
}

}  // namespace ash::bindings
