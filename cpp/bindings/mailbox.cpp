#include "ash/run/mailbox.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ash/kernels/kernels.hpp"
#include "ash/train/training_job.hpp"
#include "bindings/common.hpp"
#include "bindings/state_parts.hpp"

namespace ash::bindings {
namespace {

const char* name_of(Note::Kind kind) { return kind == Note::Kind::kept ? "kept" : "dropped"; }

py::tuple take(Mailbox& mailbox, double seconds) {
    Mail mail;
    {
        const Released release;  // the caller's argument keeps the mailbox alive
        mail = mailbox.take(checked_seconds(seconds));
    }
    py::list notes;
    py::list letters;
    for (const Note& each : mail.notes) notes.append(py::make_tuple(name_of(each.kind), each.candidate));
    for (const Letter& each : mail.letters) {
        letters.append(
            py::make_tuple(each.number, each.job.candidate, each.job.rung, each.job.epochs, parts_of(each.states)));
    }
    return py::make_tuple(notes, letters);
}

// A job's result in Python: score, loss, training loss, hash of the weights, and scores of the folds.
using ResultParts = std::tuple<double, double, double, std::uint64_t, std::vector<double>>;

bool answer(Mailbox& mailbox, std::int64_t number, const ResultParts& result, const std::vector<StateParts>& states,
            int thread, double seconds) {
    const auto& [score, loss, training_loss, weights_hash, fold_scores] = result;
    return mailbox.answer(number, {.result = {.score = score,
                                              .loss = loss,
                                              .training_loss = training_loss,
                                              .weights_hash = weights_hash,
                                              .thread = thread,
                                              .seconds = seconds},
                                   .fold_scores = fold_scores,
                                   .states = states_of(states)});
}

// Returns the rung in which the state was last trained, which follows from its epochs. Only rungs lower than
// `above` are considered.
std::int32_t rung_of(const State& state, const JobRules& rules, std::int32_t above) {
    std::int32_t rung = 0;
    while (rung + 1 < above && rules.epochs_after(rung) < state.epochs) ++rung;
    return rung;
}

// Executes a job in the calling thread, for a run whose tuner is in another process. Returns the result, the states
// after the job, and the seconds that the job took.
// states: the states to continue from, or none. Raises ValueError if they do not fit the settings and the data.
py::tuple train_job(const std::vector<std::shared_ptr<Data>>& data, const Settings& settings, std::int32_t candidate,
                    std::int32_t rung, std::int64_t epochs, std::int64_t min_epochs, std::int64_t eta,
                    const std::string& training, const std::string& metric, std::uint64_t seed,
                    const std::vector<StateParts>& states) {
    check(settings);
    check_folds(data);
    const Metric parsed = parse_metric(metric);
    for (const auto& each : data) {
        check_fits(settings, *each);
        check_metric(parsed, *each);
    }
    require(states.empty() || states.size() == data.size(), "states: one per fold, or none");
    require(candidate >= 0 && epochs >= 0, "candidate, epochs: 0 or more");
    JobRules{.kernels = kernels(""), .seed = seed, .min_epochs = min_epochs, .eta = eta}.epochs_after(
        rung);  // throws if the rung is invalid
    const auto start = std::chrono::steady_clock::now();
    const auto continuation =
        pick<Continuation>(training, {{"resume", Continuation::resume}, {"restart", Continuation::restart}});
    std::vector<State> all = states_of(states);
    const bool begins = all.empty() || continuation == Continuation::restart;
    all.resize(data.size());
    std::vector<double> scores;
    Result result;
    {
        const Released release;  // the caller's arguments keep data and settings alive
        Workspace scratch;
        const auto train_fold = [&](int number) {
            const auto fold = static_cast<std::size_t>(number);
            const Data& own = *data[fold];
            const JobRules rules{.kernels = kernels(""),
                                 .seed = fold_seed(seed, fold),
                                 .continuation = continuation,
                                 .metric = parsed,
                                 .min_epochs = min_epochs,
                                 .eta = eta};
            scratch.prepare(own, settings);
            JobRun run{.data = own,
                       .settings = settings,
                       .rules = rules,
                       .job = {candidate, rung, epochs},
                       .scratch = scratch};
            if (begins) {
                all[fold] = run.initial();
            } else {
                all[fold].layout = Layout(own.shape(), settings);
                check_state(all[fold], settings, rules, {candidate, rung_of(all[fold], rules, rung), 0});
            }
            return run.train_and_score(all[fold]);
        };
        result = mean_of(static_cast<int>(data.size()), train_fold, scores);
    }
    const bool diverged = is_diverged(result.score, result.loss);
    if (diverged) scores.clear();
    py::list after;
    for (const State& each : all) {
        if (!diverged) after.append(parts_of(each));
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    return py::make_tuple(py::make_tuple(result.score, result.loss, result.training_loss, result.weights_hash, scores),
                          after, taken.count());
}

}  // namespace

void bind_mailbox(py::module_& m) {
    py::class_<Mailbox, std::shared_ptr<Mailbox>>(m, "Mailbox")
        .def(py::init(with_room(+[](int capacity) {
                 return std::make_shared<Mailbox>(checked_places(capacity, "capacity: 1 to 65536"));
             })),
             py::arg("capacity"))
        .def("take", &take, py::arg("seconds"))
        .def("wake", &Mailbox::wake)
        .def("answer", &answer, py::arg("number"), py::arg("result"), py::arg("states"), py::arg("thread"),
             py::arg("seconds"))
        .def("close", &Mailbox::close);
    m.def("train_job", &train_job, py::arg("data"), py::arg("settings"), py::arg("candidate"), py::arg("rung"),
          py::arg("epochs"), py::kw_only(), py::arg("min_epochs"), py::arg("eta"), py::arg("training"),
          py::arg("metric"), py::arg("seed"), py::arg("states") = std::vector<StateParts>{});
}

}  // namespace ash::bindings
