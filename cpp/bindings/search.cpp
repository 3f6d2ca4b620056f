#include "ash/search/search.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/common.hpp"
#include "bindings/records.hpp"

namespace ash::bindings {
namespace {

using Decided = std::vector<std::pair<std::int32_t, std::int32_t>>;  // candidate and rung of jobs, in order of decision

// The search of a function, whose jobs Python runs. A job's loss is its negated rank.
// Threads: one at a time, with the GIL held.
class FunctionSearch final : private Search::Owner {
  public:
    FunctionSearch(const SearchSettings& settings, std::int64_t known, py::object cost)
        : cost_(std::move(cost)), search_(settings, known, *this) {}
    FunctionSearch(const FunctionSearch&) = delete;
    FunctionSearch& operator=(const FunctionSearch&) = delete;
    ~FunctionSearch() override = default;

    Search& search() { return search_; }
    Records& records() { return search_.records(); }
    const Records& records() const { return search_.records(); }
    std::vector<JobRecord> held() const { return search_.held(); }

    void restore(const py::dict& jobs, const Array<double>& fold_scores, const Array<std::int64_t>& steps,
                 const py::dict&, double seconds) {
        before_ = seconds;
        search_.restore(known_jobs(jobs, fold_scores), steps_of(steps));
    }

    void finish(const Task& task, double score, double loss, bool pruned, int thread, double start, double end) {
        search_.finish({.task = task,
                        .thread = thread,
                        .score = score,
                        .loss = loss,
                        .training_loss = std::numeric_limits<double>::quiet_NaN(),
                        .weights_hash = 0,
                        .start = start,
                        .end = end,
                        .team = 1,
                        .diverged = is_diverged(score, loss),
                        .external = true,
                        .pruned = pruned});
    }

    // Returns the decided jobs from index `first` on.
    Decided decided(std::size_t first) const {
        Decided found;
        for (const JobRecord& each : records().jobs(first)) {
            found.emplace_back(each.task.job.candidate, each.task.job.rung);
        }
        return found;
    }

  private:
    double cost(const Job& job) const override {
        if (cost_.is_none()) return static_cast<double>(std::max(job.epochs, std::int64_t{1}));
        const auto cost = cost_(job.candidate, job.epochs).cast<double>();
        require(std::isfinite(cost) && cost > 0, "a cost must be positive and finite");
        return cost;
    }

    double seconds() const override {
        return before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

    const py::object cost_;
    const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    double before_ = 0.0;
    Search search_;  // after the members that it asks for
};

}  // namespace

void bind_search(py::module_& m) {
    py::class_<Task>(m, "Task")
        .def_property_readonly("candidate", [](const Task& task) { return task.job.candidate; })
        .def_property_readonly("rung", [](const Task& task) { return task.job.rung; })
        .def_property_readonly("epochs", [](const Task& task) { return task.job.epochs; });
    py::class_<FunctionSearch> search(m, "Search");
    bind_records(search);
    search
        .def(py::init(with_room(+[](std::int64_t candidates, std::int64_t eta, std::int64_t min_epochs,
                                    std::int64_t max_rungs, const std::string& algorithm, const std::string& promotion,
                                    std::int64_t max_total_epochs, double stop_score, std::int64_t patience,
                                    std::int64_t report_limit, std::int64_t max_failures, std::int64_t first_failures,
                                    bool by_rung, const std::string& schedule, int workers, std::int64_t known,
                                    const py::object& cost, const Rungs& rungs) {
                 SearchSettings settings{
                     .ladder = ladder_settings(candidates, eta, min_epochs, max_rungs, algorithm, promotion,
                                               max_total_epochs, stop_score, patience, report_limit, rungs),
                     .schedule = schedule_of(schedule),
                     .workers = checked_places(workers, "virtual_workers: 1 to 65536")};
                 settings.ladder.max_failures = max_failures;
                 settings.ladder.first_failures = first_failures;
                 settings.ladder.rank_by_loss = true;
                 settings.ladder.by_rung = by_rung;
                 return std::make_unique<FunctionSearch>(settings, known, cost);
             })),
             py::arg("candidates"), py::kw_only(), py::arg("eta") = 2, py::arg("min_epochs") = 1,
             py::arg("max_rungs") = 0, py::arg("algorithm") = "ash", py::arg("promotion") = "capped",
             py::arg("max_total_epochs") = 0, py::arg("stop_score") = std::numeric_limits<double>::quiet_NaN(),
             py::arg("patience") = 0, py::arg("report_limit") = 0, py::arg("max_failures") = 0,
             py::arg("first_failures") = 0, py::arg("by_rung") = false, py::arg("schedule") = "greedy",
             py::arg("virtual_workers") = 1, py::arg("known"), py::arg("cost") = py::none(), py::arg("rungs") = Rungs())
        .def("restore", &FunctionSearch::restore, py::arg("jobs"), py::arg("fold_scores").noconvert(),
             py::arg("steps").noconvert(), py::arg("assists"), py::arg("seconds"))
        .def("next", [](FunctionSearch& self) { return self.search().next(); })
        .def("finish", &FunctionSearch::finish, py::arg("task"), py::arg("score"), py::arg("loss"), py::kw_only(),
             py::arg("pruned") = false, py::arg("thread") = 0, py::arg("start") = 0.0, py::arg("end") = 0.0)
        .def(
            "provide", [](FunctionSearch& self, std::int64_t candidates) { self.search().provide(candidates); },
            py::arg("candidates"))
        .def("decided", &FunctionSearch::decided, py::arg("first"))
        .def("release", [](FunctionSearch& self) { self.search().release(); })
        .def_property_readonly("starved", [](FunctionSearch& self) { return self.search().is_starved(); })
        .def_property_readonly("finished", [](FunctionSearch& self) { return self.search().finished(); })
        .def_property_readonly("ended", [](FunctionSearch& self) { return name(self.search().ending()); });
}

}  // namespace ash::bindings
