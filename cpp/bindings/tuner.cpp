#include "ash/run/tuner.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ash/kernels/kernels.hpp"
#include "ash/run/candidates.hpp"
#include "ash/run/retrain.hpp"
#include "ash/train/network.hpp"
#include "bindings/common.hpp"
#include "bindings/owning_tuner.hpp"
#include "bindings/records.hpp"

namespace ash::bindings {
namespace {

template <typename Value>
Array<Value> filled(const std::vector<py::ssize_t>& shape, std::span<const double> values) {
    Array<Value> result(shape);
    std::ranges::transform(values, result.mutable_data(), [](double value) { return static_cast<Value>(value); });
    return result;
}

// Calls `call`, which uses Python, in a thread of the core; the thread holds the GIL. The functions called here return
// their errors, so only a lack of memory throws. The core rethrows an error in each later call of the tuner, but an
// error of Python can be raised only once. So it is replaced by one of C++.
template <typename Call>
auto in_core_thread(Call&& call) {
    try {
        return call();
    } catch (const py::error_already_set& error) {
        if (error.matches(PyExc_MemoryError)) throw std::bad_alloc();
        throw std::runtime_error(error.what());
    }
}

// Wraps a Python function score(network, predictions [rows][outputs] in the units of y) -> float. The function must not
// throw.
Scorer scorer_of(const std::vector<py::object>& scorers, std::size_t fold, const std::shared_ptr<Data>& data) {
    if (scorers.empty()) return {};
    return [score = scorers.at(fold), data](const State& state, std::span<const double> predictions) {
        const Held held;
        return in_core_thread([&] {
            const std::vector<py::ssize_t> shape{data->validation().count, data->outputs()};
            py::array values = data->classes() > 0 ? py::array(filled<float>(shape, predictions))
                                                   : py::array(filled<double>(shape, predictions));
            const py::tuple arguments = py::make_tuple(Network(state, *data), values);
            PyObject* scored = or_hang([&] { return PyObject_CallObject(score.ptr(), arguments.ptr()); });
            if (scored == nullptr) throw py::error_already_set();
            return py::reinterpret_steal<py::object>(scored).cast<double>();
        });
    };
}

// Wraps a Python function train(candidate, rung, epochs, is_stopped) -> (score, loss, hash, scores of folds), or None
// if stopped. Like a scorer, it must not throw.
ExternalTrainer external_of(const py::object& train) {
    if (train.is_none()) return {};
    return [train](const Job& job, const std::atomic<bool>& stop) -> std::optional<Answer> {
        const Held held;
        return in_core_thread([&]() -> std::optional<Answer> {
            const py::cpp_function is_stopped([&stop] { return stop.load(); });
            const py::tuple arguments = py::make_tuple(job.candidate, job.rung, job.epochs, is_stopped);
            PyObject* made = or_hang([&] { return PyObject_CallObject(train.ptr(), arguments.ptr()); });
            if (made == nullptr) throw py::error_already_set();
            const auto result = py::reinterpret_steal<py::object>(made);
            if (result.is_none()) return std::nullopt;
            const auto [score, loss, hash, fold_scores] =
                result.cast<std::tuple<double, double, std::uint64_t, std::vector<double>>>();
            const bool diverged = is_diverged(score, loss);
            constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
            return Answer{.result = {.score = score, .loss = loss, .training_loss = kNone, .weights_hash = hash},
                          .fold_scores = diverged ? std::vector<double>{} : fold_scores};
        });
    };
}

// The named arguments that follow `candidates` in the Python constructor.
struct Arguments {
    std::int64_t count, ahead, eta, min_epochs, max_rungs, max_total_epochs, patience, report_limit, memory_limit;
    std::string algorithm, promotion, training, schedule, metric, instruction_set;
    int threads, cores, workers, keep;
    bool teams;
    double stop_score, work_limit;
    std::uint64_t seed;
    std::vector<py::object> scorers;
    std::shared_ptr<Mailbox> mailbox;
    py::object external;
};

TunerSettings tuner_settings(const Arguments& a, std::int64_t count) {
    return {.ladder = ladder_settings(count, a.eta, a.min_epochs, a.max_rungs, a.algorithm, a.promotion,
                                      a.max_total_epochs, a.stop_score, a.patience, a.report_limit),
            .threads = a.mailbox ? a.mailbox->capacity() : a.threads,
            .cores = a.cores < 1 ? a.threads : a.cores,
            .schedule = schedule_of(a.schedule),
            .workers = a.workers,
            .work_limit = a.work_limit,
            .teams = a.teams && !a.mailbox,
            .keep = a.keep,
            .ahead = a.ahead};
}

std::unique_ptr<OwningTuner> make_tuner(std::vector<std::shared_ptr<Data>> data,
                                        const std::vector<Settings>& candidates, const Arguments& a) {
    check_folds(data);
    checked_places(a.threads, "threads: 1 to 65536");
    checked_places(a.workers, "virtual_workers: 1 to 65536");
    require(std::isfinite(a.work_limit) && a.work_limit >= 0.0, "work_limit: 0 or more");
    require(a.scorers.empty() || a.scorers.size() == data.size(), "scorers: one per fold");
    const auto continuation =
        pick<Continuation>(a.training, {{"resume", Continuation::resume}, {"restart", Continuation::restart}});
    const std::int64_t count = a.count == 0 ? std::ssize(candidates) : a.count;
    std::vector<Fold> folds;
    for (std::size_t fold = 0; fold < data.size(); ++fold) {
        folds.push_back({.data = *data[fold],
                         .rules = {.kernels = kernels(a.instruction_set),
                                   .seed = fold_seed(a.seed, fold),
                                   .continuation = continuation,
                                   .metric = parse_metric(a.metric),
                                   .min_epochs = a.min_epochs,
                                   .eta = a.eta,
                                   .scorer = scorer_of(a.scorers, fold, data[fold])}});
    }
    auto all = std::make_unique<Candidates>(std::move(folds), candidates, count, a.threads, a.memory_limit, a.mailbox,
                                            external_of(a.external));
    return std::make_unique<OwningTuner>(std::move(data), std::move(all), a.mailbox, tuner_settings(a, count));
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

std::string ended(OwningTuner& owner) {
    if (const char* own = name(owner.tuner.ending())) return own;
    return owner.tuner.wait(0.0) ? "stopped" : "running";
}

// Returns the scores of folds [jobs][folds], with the candidate and rung of each job, in the order in which the jobs
// ended.
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

// Returns the best kept networks: as many as can predict the validation rows within `work` multiply-adds, but at least
// one. Calibration and selection are counted as kAfter multiply-adds per predicted number.
std::vector<Kept> kept_within(const OwningTuner& owner, double work) {
    constexpr double kAfter = 1e4;
    double numbers = 0.0;
    for (const auto& fold : owner.data) numbers += static_cast<double>(fold->validation().count) * fold->outputs();
    std::vector<Kept> kept = with_states(owner.tuner.kept());
    std::size_t count = 0;
    for (; count < kept.size(); ++count) {
        work -= owner.candidates->cost({kept[count].candidate, kept[count].rung, 0}) + kAfter * numbers;
        if (count > 0 && work < 0.0) break;
    }
    kept.resize(count);
    return kept;
}

// Returns the predictions [kept][validation rows of all folds][outputs].
template <typename Result>
Array<Result> predictions_of(const OwningTuner& owner, const std::vector<Kept>& kept) {
    std::int64_t rows = 0;
    for (const auto& fold : owner.data) rows += fold->validation().count;
    Array<Result> results({std::ssize(kept), rows, static_cast<std::int64_t>(owner.data.front()->outputs())});
    const std::span<Result> to(results.mutable_data(), static_cast<std::size_t>(results.size()));
    const Released release;  // this frame keeps results alive
    owner.candidates->predict(kept, owner.threads, to);
    return results;
}

// Returns the networks of all folds of each candidate in kept_within(), and their predictions of the validation rows.
// Jobs may run meanwhile, since the kept candidates are read once and no job writes their states.
py::tuple kept_of(const OwningTuner& owner, double work) {
    const std::vector<Kept> kept = kept_within(owner, work);
    py::list all;
    for (const Kept& each : kept) {
        py::list networks;
        for (std::size_t fold = 0; fold < owner.data.size(); ++fold)
            networks.append(Network(*each.states[fold], *owner.data[fold]));
        all.append(py::make_tuple(each.candidate, each.rung, each.score, networks));
    }
    const bool classifies = owner.data.front()->classes() > 0;
    return py::make_tuple(all, classifies ? py::array(predictions_of<float>(owner, kept))
                                          : py::array(predictions_of<double>(owner, kept)));
}

// Runs the jobs for at most `seconds`. Returns the networks, with None for each job that diverged or was not done in
// time, and for each job whether it was stopped before it was done. An exception of a Python signal handler stops all
// jobs and is rethrown.
py::tuple trained(std::vector<RetrainJob>& jobs, int threads, double seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    {
        Released released;  // the caller's arguments keep data and tuner alive
        const auto stop = [&] {
            const Back back(released);
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            return std::chrono::steady_clock::now() > end;
        };
        retrain(jobs, threads, stop);
    }
    py::list networks;
    for (const RetrainJob& job : jobs)
        networks.append(job.done() ? py::cast(Network(job.state, job.data)) : py::object(py::none()));
    std::vector<bool> stopped;
    for (const RetrainJob& job : jobs) stopped.push_back(job.outcome.stopped);
    return py::make_tuple(networks, stopped);
}

// Returns the kept networks of a candidate. Throws std::invalid_argument if there are none.
Kept kept_of_candidate(const OwningTuner& owner, std::int32_t candidate) {
    for (const Kept& each : with_states(owner.tuner.kept()))
        if (each.candidate == candidate) return each;
    throw std::invalid_argument("candidate " + std::to_string(candidate) + " has no network that is kept");
}

// Trains the first fold's network of each of these kept candidates further on other data. Returns the networks and,
// for each job, whether it was stopped before it was done. All networks are None if the constant features of these data
// differ from those of the training data.
py::tuple refit_kept(const OwningTuner& owner, const Data& data, const std::vector<std::int32_t>& candidates,
                     const std::vector<Settings>& settings, const std::vector<std::int64_t>& epochs, std::uint64_t seed,
                     double seconds) {
    require(candidates.size() == settings.size() && candidates.size() == epochs.size(),
            "refit: candidates, settings, epochs: of one length");
    const JobRules rules{.kernels = kernels(""), .seed = seed};
    const Data& own = *owner.data.front();
    require(data.features() == own.features() && data.outputs() == own.outputs(), "refit: other features or outputs");
    if (!std::ranges::equal(data.numbers(), own.numbers())) {
        py::list none;
        for (std::size_t i = 0; i < candidates.size(); ++i) none.append(py::none());
        return py::make_tuple(none, std::vector<bool>(candidates.size(), false));
    }
    std::vector<RetrainJob> jobs;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        check(settings[i]);
        check_fits(settings[i], data);
        require(epochs[i] >= 0, "epochs: 0 or more");
        State state = *kept_of_candidate(owner, candidates[i]).states.front();
        state.layout = Layout(data.shape(), settings[i]);
        check_arenas(state, settings[i], candidates[i]);
        jobs.push_back({data, settings[i], rules, {candidates[i], 0, epochs[i]}, std::move(state)});
    }
    return trained(jobs, owner.threads, checked_seconds(seconds));
}

// Trains kept candidates on other data in the same way as in the run (with the rules and the seed of the first fold):
// each from the beginning up to its rung. Returns the networks and, for each job, whether it was stopped before it was
// done.
py::tuple retrain_kept(const OwningTuner& owner, const Data& data, const std::vector<std::int32_t>& candidates,
                       double seconds) {
    const Data& own = *owner.data.front();
    require(data.features() == own.features() && data.outputs() == own.outputs(), "retrain: other features or outputs");
    std::vector<RetrainJob> jobs;
    for (const std::int32_t candidate : candidates) {
        const std::int32_t rung = kept_of_candidate(owner, candidate).rung;
        const Job job{candidate, rung, owner.tuner.records().rungs()[static_cast<std::size_t>(rung)].epochs};
        const RetrainJob of_fold = owner.candidates->retraining(job).front();
        check_fits(of_fold.settings, data);
        jobs.push_back({data, of_fold.settings, of_fold.rules, job});
    }
    return trained(jobs, owner.threads, checked_seconds(seconds));
}

}  // namespace

void bind_tuner(py::module_& m) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    py::class_<OwningTuner> tuner(m, "Tuner");
    bind_records(tuner);
    bind_restoring(tuner);
    tuner
        .def(py::init(with_room(
                 +[](std::vector<std::shared_ptr<Data>> data, const std::vector<Settings>& candidates,
                     std::int64_t count, std::int64_t eta, std::int64_t min_epochs, std::int64_t max_rungs,
                     const std::string& algorithm, const std::string& promotion, const std::string& training,
                     const std::string& metric, int threads, std::uint64_t seed, const std::string& instruction_set,
                     const std::string& schedule, int workers, bool teams, int cores, std::int64_t memory_limit,
                     std::int64_t max_total_epochs, double stop_score, std::int64_t patience, std::int64_t report_limit,
                     double work_limit, const std::vector<py::object>& scorers, int keep,
                     std::shared_ptr<Mailbox> mailbox, const py::object& external, std::int64_t ahead) {
                     return make_tuner(std::move(data), candidates,
                                       {.count = count,
                                        .ahead = ahead,
                                        .eta = eta,
                                        .min_epochs = min_epochs,
                                        .max_rungs = max_rungs,
                                        .max_total_epochs = max_total_epochs,
                                        .patience = patience,
                                        .report_limit = report_limit,
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
                                        .keep = keep,
                                        .teams = teams,
                                        .stop_score = stop_score,
                                        .work_limit = work_limit,
                                        .seed = seed,
                                        .scorers = scorers,
                                        .mailbox = std::move(mailbox),
                                        .external = external});
                 })),
             py::arg("data"), py::arg("candidates"), py::kw_only(), py::arg("count") = 0, py::arg("eta") = 2,
             py::arg("min_epochs") = 1, py::arg("max_rungs") = 0, py::arg("algorithm") = "ash",
             py::arg("promotion") = "capped", py::arg("training") = "resume", py::arg("metric") = "accuracy",
             py::arg("threads") = 1, py::arg("seed") = 0, py::arg("instruction_set") = "",
             py::arg("schedule") = "reproducible", py::arg("virtual_workers") = 32, py::arg("teams") = true,
             py::arg("cores") = 0, py::arg("memory_limit") = 0, py::arg("max_total_epochs") = 0,
             py::arg("stop_score") = kNone, py::arg("patience") = 0, py::arg("report_limit") = 0,
             py::arg("work_limit") = 0.0, py::arg("scorers") = std::vector<py::object>{}, py::arg("keep") = 1,
             py::arg("mailbox") = nullptr, py::arg("external") = py::none(), py::arg("ahead") = TunerSettings{}.ahead)
        .def("start", [](OwningTuner& owner) { owner.tuner.start(); })
        .def(
            "wait", [](OwningTuner& owner, double seconds) { return owner.tuner.wait(checked_seconds(seconds)); },
            py::arg("seconds"), py::call_guard<Released>())  // so that the core's threads can call scorers (Held)
        .def("stop", [](OwningTuner& owner) { owner.tuner.stop(); })
        .def(
            "limit", [](OwningTuner& owner, double seconds) { owner.tuner.limit(checked_seconds(seconds)); },
            py::arg("seconds"))
        .def_property_readonly("short_of_time", [](const OwningTuner& owner) { return owner.tuner.is_short_of_time(); })
        .def_property_readonly("out_of_time", [](const OwningTuner& owner) { return owner.tuner.is_out_of_time(); })
        .def(
            "provide", [](OwningTuner& owner, const std::vector<Settings>& more) { owner.tuner.provide(more); },
            py::arg("candidates"))
        .def("kept", &kept_of, py::arg("work") = std::numeric_limits<double>::infinity())
        .def("refit", &refit_kept, py::arg("data"), py::arg("candidates"), py::arg("settings"), py::arg("epochs"),
             py::arg("seed"), py::arg("seconds"))
        .def("retrain", &retrain_kept, py::arg("data"), py::arg("candidates"), py::arg("seconds"))
        .def("fold_scores", &fold_scores_of)
        .def_property_readonly("wanted", [](const OwningTuner& owner) { return owner.tuner.wanted(); })
        .def_property_readonly("threads",
                               [](const OwningTuner& owner) {
                                   return std::make_pair(owner.tuner.threads_started(), owner.tuner.threads_asked());
                               })
        .def_property_readonly("ended", &ended)
        .def_property_readonly("memory", &memory_use);
}

}  // namespace ash::bindings
