#include "ash/search/clock.hpp"

#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bindings/common.hpp"

namespace ash::bindings {
namespace {

// A ladder and its clock, for jobs that Python executes.
// Threads: one at a time, with the GIL held, since next, finish and provide call a Python function for costs.
class JobClock {
  public:
    JobClock(const LadderSettings& settings, Schedule schedule, std::int64_t known, int workers, Cost cost)
        : ladder_(std::make_unique<Ladder>(settings)),
          clock_(make_clock(schedule, *ladder_, known, workers, std::move(cost))) {}

    Clock& clock() { return *clock_; }
    Ladder& ladder() { return *ladder_; }

    std::vector<Report> finish(const Task& task, double score, double loss) {
        clock_->finish({.task = task, .score = score, .loss = loss});
        return decided();
    }

    std::vector<Report> provide(std::int64_t candidates) {
        clock_->provide(candidates);
        return decided();
    }

  private:
    std::vector<Report> decided() const { return {clock_->decided().begin(), clock_->decided().end()}; }

    std::unique_ptr<Ladder> ladder_;  // must not move, since the clock refers to it
    std::unique_ptr<Clock> clock_;
};

Cost cost_of(const py::object& function) {
    if (function.is_none()) return [](const Job&) { return 1.0; };
    return [function](const Job& job) {
        const auto cost = function(job.candidate, job.epochs).cast<double>();
        require(std::isfinite(cost) && cost > 0, "a cost must be positive and finite");
        return cost;
    };
}

}  // namespace

void bind_clock(py::module_& m) {
    py::class_<Task>(m, "Task")
        .def_property_readonly("candidate", [](const Task& task) { return task.job.candidate; })
        .def_property_readonly("rung", [](const Task& task) { return task.job.rung; })
        .def_property_readonly("epochs", [](const Task& task) { return task.job.epochs; })
        .def_readonly("worker", &Task::worker)
        .def_readonly("start", &Task::start)
        .def_readonly("finish", &Task::finish);
    py::class_<Report>(m, "Decision")
        .def_property_readonly("candidate", [](const Report& report) { return report.task.job.candidate; })
        .def_property_readonly("rung", [](const Report& report) { return report.task.job.rung; });
    py::class_<JobClock>(m, "Clock")
        .def(py::init(with_room(+[](std::int64_t candidates, std::int64_t eta, std::int64_t min_epochs,
                                    std::int64_t max_rungs, const std::string& algorithm, const std::string& promotion,
                                    std::int64_t epoch_limit, double stop_score, std::int64_t patience,
                                    std::int64_t report_limit, const std::string& schedule, int workers,
                                    std::int64_t known, const py::object& cost, const Rungs& rungs) {
                 return JobClock(
                     ladder_settings(candidates, eta, min_epochs, max_rungs, algorithm, promotion, epoch_limit,
                                     stop_score, patience, report_limit, rungs),
                     pick<Schedule>(schedule, {{"greedy", Schedule::greedy}, {"reproducible", Schedule::reproducible}}),
                     known, checked_places(workers, "workers: 1 to 65536"), cost_of(cost));
             })),
             py::arg("candidates"), py::kw_only(), py::arg("eta") = 2, py::arg("min_epochs") = 1,
             py::arg("max_rungs") = 0, py::arg("algorithm") = "ash", py::arg("promotion") = "capped",
             py::arg("epoch_limit") = 0, py::arg("stop_score") = std::numeric_limits<double>::quiet_NaN(),
             py::arg("patience") = 0, py::arg("report_limit") = 0, py::arg("schedule") = "greedy",
             py::arg("workers") = 1, py::arg("known"), py::arg("cost") = py::none(), py::arg("rungs") = Rungs())
        .def("next", [](JobClock& self) { return self.clock().next(); })
        .def("finish", &JobClock::finish, py::arg("task"), py::arg("score"), py::arg("loss"))
        .def("provide", &JobClock::provide, py::arg("candidates"))
        .def("release", [](JobClock& self) { self.clock().release(); })
        .def("take_retired", [](JobClock& self) { return made(self.ladder().take_retired()); })
        .def_property_readonly("starved", [](JobClock& self) { return self.clock().starved(); })
        .def_property_readonly("finished", [](JobClock& self) { return self.clock().finished(); })
        .def_property_readonly("ending", [](JobClock& self) { return name(self.ladder().ending()); })
        .def_property_readonly("rungs", [](JobClock& self) { return rung_rows(counts(self.ladder().rungs())); });
}

}  // namespace ash::bindings
