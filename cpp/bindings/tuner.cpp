#include "ash/tuner.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ash/folds.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/network.hpp"
#include "bindings/common.hpp"

namespace ash::bindings {
namespace {

// A tuner with the data of its folds, one at least, that its candidates refer to and that must outlive its threads.
struct OwningTuner {
    std::vector<std::shared_ptr<Data>> data;
    FoldedCandidates* candidates;  // of the tuner
    std::unique_ptr<Tuner> owned;
    Tuner& tuner = *owned;

    OwningTuner(std::vector<std::shared_ptr<Data>> folds, std::unique_ptr<FoldedCandidates> its_candidates,
                const TunerSettings& settings)
        : data(std::move(folds)),
          candidates(its_candidates.get()),
          owned(std::make_unique<Tuner>(std::move(its_candidates), settings)) {}
    OwningTuner(const OwningTuner&) = delete;
    OwningTuner& operator=(const OwningTuner&) = delete;
    ~OwningTuner() {
        const py::gil_scoped_release release;  // its threads may be waiting to call a scorer
        tuner.stop();
        owned->join();
    }
};

// score(network, predictions [rows][outputs] in the units of y) -> float, in Python. Nothing thrown there may cross the
// threads of the core, so it must not throw.
Scorer scorer_of(const std::vector<py::object>& scorers, std::size_t fold, const std::shared_ptr<Data>& data) {
    if (scorers.empty()) return {};
    return [score = scorers.at(fold), data](const State& state, const Predictions& predictions) {
        const py::gil_scoped_acquire acquire;
        Array<float> values({predictions.rows, static_cast<py::ssize_t>(predictions.outputs)});
        float* to = values.mutable_data();
        for (std::int64_t r = 0; r < predictions.rows; ++r) {
            for (int o = 0; o < predictions.outputs; ++o) {
                const auto column = static_cast<std::size_t>(o);
                const double z = predictions.values[r * predictions.stride + o];
                *to++ = static_cast<float>(z * data->targets().scale[column] + data->targets().center[column]);
            }
        }
        return score(Network(state, *data), values).cast<double>();
    };
}

// What follows the candidates in Python, by name.
struct Arguments {
    std::int64_t count, eta, min_epochs, max_rungs, epoch_limit, memory_limit;
    std::string algorithm, promotion, training, schedule, metric, instruction_set;
    int threads, cores, workers;
    bool teams;
    double target;
    std::uint64_t seed;
    std::vector<py::object> scorers;
};

TunerSettings tuner_settings(const Arguments& a, std::int64_t count) {
    return {.ladder = ladder_settings(count, a.eta, a.min_epochs, a.max_rungs, a.algorithm, a.promotion, a.epoch_limit,
                                      a.target),
            .threads = a.threads,
            .cores = a.cores,
            .schedule =
                pick<Schedule>(a.schedule, {{"greedy", Schedule::greedy}, {"reproducible", Schedule::reproducible}}),
            .workers = a.workers,
            .teams = a.teams};
}

std::unique_ptr<OwningTuner> make_tuner(std::vector<std::shared_ptr<Data>> data,
                                        const std::vector<Settings>& candidates, const Arguments& a) {
    require(!data.empty(), "data: at least one fold");
    require(a.scorers.empty() || a.scorers.size() == data.size(), "scorers: one a fold");
    const auto continuation =
        pick<Continuation>(a.training, {{"resume", Continuation::resume}, {"restart", Continuation::restart}});
    const std::int64_t count = a.count == 0 ? std::ssize(candidates) : a.count;
    std::vector<FoldedCandidates::Fold> folds;
    for (std::size_t fold = 0; fold < data.size(); ++fold) {
        const std::int64_t limit = (a.memory_limit + std::ssize(data) - 1) / std::ssize(data);
        folds.push_back(std::make_unique<NetworkCandidates>(
            *data[fold], candidates, count, continuation, parse_metric(a.metric),
            FoldedCandidates::seed_of(a.seed, fold), kernels(a.instruction_set), a.threads, a.min_epochs, a.eta, limit,
            scorer_of(a.scorers, fold, data[fold])));
    }
    return std::make_unique<OwningTuner>(std::move(data), std::make_unique<FoldedCandidates>(std::move(folds)),
                                         tuner_settings(a, count));
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

py::dict job_columns(const OwningTuner& owner) {
    const std::vector<JobRecord> jobs = owner.tuner.jobs();
    py::dict columns;
    columns["candidate"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.task.job.candidate; });
    columns["rung"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.task.job.rung; });
    columns["epochs"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.task.job.epochs; });
    columns["worker"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.task.worker; });
    columns["virtual_start"] = column<double>(jobs, [](const JobRecord& j) { return j.task.start; });
    columns["virtual_end"] = column<double>(jobs, [](const JobRecord& j) { return j.task.finish; });
    columns["thread"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.thread; });
    columns["team"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.team; });
    columns["team_limit"] = column<std::int64_t>(jobs, [](const JobRecord& j) { return j.team_limit; });
    columns["score"] = column<double>(jobs, [](const JobRecord& j) { return j.score; });
    columns["loss"] = column<double>(jobs, [](const JobRecord& j) { return j.loss; });
    columns["training_loss"] = column<double>(jobs, [](const JobRecord& j) { return j.training_loss; });
    columns["weights_hash"] = column<std::uint64_t>(jobs, [](const JobRecord& j) { return j.weights_hash; });
    columns["start"] = column<double>(jobs, [](const JobRecord& j) { return j.start; });
    columns["end"] = column<double>(jobs, [](const JobRecord& j) { return j.end; });
    columns["core_seconds"] = column<double>(jobs, [](const JobRecord& j) { return j.core_seconds; });
    columns["diverged"] = column<bool>(jobs, [](const JobRecord& j) { return j.diverged; });
    return columns;
}

py::dict assist_columns(const OwningTuner& owner) {
    const std::vector<Assist> assists = owner.tuner.assists();
    py::dict columns;
    columns["candidate"] = column<std::int64_t>(assists, [](const Assist& a) { return a.job.candidate; });
    columns["rung"] = column<std::int64_t>(assists, [](const Assist& a) { return a.job.rung; });
    columns["thread"] = column<std::int64_t>(assists, [](const Assist& a) { return a.thread; });
    columns["start"] = column<double>(assists, [](const Assist& a) { return a.start; });
    columns["end"] = column<double>(assists, [](const Assist& a) { return a.end; });
    return columns;
}

py::dict memory_use(const OwningTuner& owner) {
    const MemoryUse use = owner.tuner.memory();
    py::dict memory;
    memory["limit"] = use.limit;
    memory["peak_bytes"] = use.peak_bytes;
    memory["dropped"] = use.dropped;
    memory["retrained_epochs"] = use.retrained_epochs;
    return memory;
}

void provide(OwningTuner& owner, const std::vector<Settings>& more) {
    owner.tuner.provide([&](Candidates& candidates) { static_cast<FoldedCandidates&>(candidates).append(more); });
}

std::string ended(OwningTuner& owner) {
    if (const char* own = name(owner.tuner.ending())) return own;
    return owner.tuner.wait(0.0) ? "stopped" : "running";
}

// Scores of folds [jobs][folds], with the candidate and rung of each job, in order of their end.
py::dict fold_scores_of(const OwningTuner& owner) {
    const std::vector<FoldScores> found = owner.candidates->fold_scores();
    py::dict columns;
    columns["candidate"] = column<std::int64_t>(found, [](const FoldScores& f) { return f.job.candidate; });
    columns["rung"] = column<std::int64_t>(found, [](const FoldScores& f) { return f.job.rung; });
    Array<double> scores({std::ssize(found), std::ssize(owner.data)});
    double* to = scores.mutable_data();
    for (const FoldScores& each : found) to = std::copy(each.scores.begin(), each.scores.end(), to);
    columns["scores"] = scores;
    return columns;
}

py::object best_of(const OwningTuner& owner) {
    const std::optional<Best> best = owner.tuner.best();
    if (!best) return py::none();
    return py::make_tuple(best->candidate, best->rung, Network(*best->state, *owner.data.front()));
}

}  // namespace

void bind_tuner(py::module_& m) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    py::class_<OwningTuner>(m, "Tuner")
        .def(py::init([](std::vector<std::shared_ptr<Data>> data, const std::vector<Settings>& candidates,
                         std::int64_t count, std::int64_t eta, std::int64_t min_epochs, std::int64_t max_rungs,
                         const std::string& algorithm, const std::string& promotion, const std::string& training,
                         const std::string& metric, int threads, std::uint64_t seed, const std::string& instruction_set,
                         const std::string& schedule, int workers, bool teams, int cores, std::int64_t memory_limit,
                         std::int64_t epoch_limit, double target, const std::vector<py::object>& scorers) {
                 return make_tuner(std::move(data), candidates,
                                   {.count = count,
                                    .eta = eta,
                                    .min_epochs = min_epochs,
                                    .max_rungs = max_rungs,
                                    .epoch_limit = epoch_limit,
                                    .memory_limit = memory_limit,
                                    .algorithm = algorithm,
                                    .promotion = promotion,
                                    .training = training,
                                    .schedule = schedule,
                                    .metric = metric,
                                    .instruction_set = instruction_set,
                                    .threads = threads,
                                    .cores = cores,
                                    .workers = workers,
                                    .teams = teams,
                                    .target = target,
                                    .seed = seed,
                                    .scorers = scorers});
             }),
             py::arg("data"), py::arg("candidates"), py::kw_only(), py::arg("count") = 0, py::arg("eta") = 2,
             py::arg("min_epochs") = 1, py::arg("max_rungs") = 0, py::arg("algorithm") = "ash",
             py::arg("promotion") = "capped", py::arg("training") = "resume", py::arg("metric") = "accuracy",
             py::arg("threads") = 1, py::arg("seed") = 0, py::arg("instruction_set") = "",
             py::arg("schedule") = "reproducible", py::arg("workers") = 32, py::arg("teams") = true,
             py::arg("cores") = 0, py::arg("memory_limit") = 0, py::arg("epoch_limit") = 0, py::arg("target") = kNone,
             py::arg("scorers") = std::vector<py::object>{})
        .def("start", [](OwningTuner& owner) { owner.tuner.start(); })
        .def(
            "wait", [](OwningTuner& owner, double seconds) { return owner.tuner.wait(seconds); }, py::arg("seconds"),
            py::call_guard<py::gil_scoped_release>())  // the one argument is a number; the threads never call Python
        .def("stop", [](OwningTuner& owner) { owner.tuner.stop(); })
        .def("provide", &provide, py::arg("candidates"))
        .def("events", &take_events)
        .def("jobs", &job_columns)
        .def("assists", &assist_columns)
        .def("best", &best_of)
        .def("fold_scores", &fold_scores_of)
        .def_property_readonly("wanted", [](const OwningTuner& owner) { return owner.tuner.wanted(); })
        .def_property_readonly("ended", &ended)
        .def_property_readonly("memory", &memory_use)
        .def_property_readonly("rungs", [](const OwningTuner& owner) { return rung_rows(owner.tuner.rungs()); });
}

}  // namespace ash::bindings
