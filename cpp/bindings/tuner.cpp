#include "ash/tuner.hpp"

#include <memory>
#include <thread>

#include "ash/kernels/kernels.hpp"
#include "ash/network.hpp"
#include "bindings/common.hpp"

namespace ash::bindings {
namespace {

// A tuner with the data that its candidates refer to, which must outlive its threads.
struct OwningTuner {
    std::shared_ptr<Data> data;
    Tuner tuner;
};

std::unique_ptr<OwningTuner> make_tuner(const std::shared_ptr<Data>& data, const std::vector<Settings>& candidates,
                                        std::int64_t eta, std::int64_t min_epochs, std::int64_t max_rungs,
                                        const std::string& algorithm, const std::string& promotion,
                                        const std::string& training, const std::string& metric, int threads,
                                        std::uint64_t seed, const std::string& instruction_set) {
    const auto continuation =
        pick<Continuation>(training, {{"resume", Continuation::resume}, {"restart", Continuation::restart}});
    const LadderSettings ladder =
        ladder_settings(static_cast<std::int64_t>(candidates.size()), eta, min_epochs, max_rungs, algorithm, promotion);
    auto trained = std::make_unique<NetworkCandidates>(*data, candidates, continuation, parse_metric(metric), seed,
                                                       kernels(instruction_set), threads);
    return std::unique_ptr<OwningTuner>(new OwningTuner{data, Tuner(std::move(trained), ladder, threads)});
}

const char* name_of(EventKind kind) {
    switch (kind) {
        case EventKind::started:
            return "started";
        case EventKind::finished:
            return "finished";
        case EventKind::diverged:
            return "diverged";
        case EventKind::promoted:
            return "promoted";
    }
    return "";
}

py::list take_events(OwningTuner& owner) {
    py::list events;
    for (const Event& e : owner.tuner.take_events()) {
        events.append(py::make_tuple(name_of(e.kind), e.candidate, e.rung, e.seconds, e.score));
    }
    return events;
}

template <typename T, typename Get>
py::array column(const std::vector<JobRecord>& jobs, Get get) {
    py::array_t<T> values(static_cast<py::ssize_t>(jobs.size()));
    T* to = values.mutable_data();
    for (const JobRecord& job : jobs) *to++ = static_cast<T>(get(job));
    return values;
}

py::dict job_columns(const OwningTuner& owner) {
    const std::vector<JobRecord> jobs = owner.tuner.jobs();
    py::dict columns;
    columns["candidate"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.job.candidate; });
    columns["rung"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.job.rung; });
    columns["epochs"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.job.epochs; });
    columns["thread"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.thread; });
    columns["score"] = column<double>(jobs, [](const JobRecord& j) { return j.score; });
    columns["loss"] = column<double>(jobs, [](const JobRecord& j) { return j.loss; });
    columns["training_loss"] = column<double>(jobs, [](const JobRecord& j) { return j.training_loss; });
    columns["start"] = column<double>(jobs, [](const JobRecord& j) { return j.start; });
    columns["end"] = column<double>(jobs, [](const JobRecord& j) { return j.end; });
    columns["diverged"] = column<bool>(jobs, [](const JobRecord& j) { return j.diverged; });
    return columns;
}

py::object best_of(const OwningTuner& owner) {
    const std::optional<Best> best = owner.tuner.best();
    if (!best) return py::none();
    return py::make_tuple(best->candidate, best->rung, Network(*best->state, *owner.data));
}

}  // namespace

void bind_tuner(py::module_& m) {
    py::class_<OwningTuner>(m, "Tuner")
        .def(py::init(&make_tuner), py::arg("data"), py::arg("candidates"), py::kw_only(), py::arg("eta") = 2,
             py::arg("min_epochs") = 1, py::arg("max_rungs") = 0, py::arg("algorithm") = "ash",
             py::arg("promotion") = "capped", py::arg("training") = "resume", py::arg("metric") = "accuracy",
             py::arg("threads") = 1, py::arg("seed") = 0, py::arg("instruction_set") = "")
        .def("start", [](OwningTuner& owner) { owner.tuner.start(); })
        .def(
            "wait", [](OwningTuner& owner, double seconds) { return owner.tuner.wait(seconds); }, py::arg("seconds"),
            py::call_guard<py::gil_scoped_release>())  // the one argument is a number; the threads never call Python
        .def("stop", [](OwningTuner& owner) { owner.tuner.stop(); })
        .def("events", &take_events)
        .def("jobs", &job_columns)
        .def("best", &best_of)
        .def_property_readonly("rungs", [](const OwningTuner& owner) { return rung_rows(owner.tuner.rungs()); });
}

}  // namespace ash::bindings
