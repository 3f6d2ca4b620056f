#include "bindings/records.hpp"

#include <utility>

namespace ash::bindings {
namespace {

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

// Returns `columns[name]`. Throws std::invalid_argument unless this array has one dimension and `rows` values.
template <typename T>
Array<T> field(const py::dict& columns, const char* name, std::size_t rows) {
    auto values = columns[name].cast<Array<T>>();
    require(values.ndim() == 1 && view(values).size() == rows, name);
    return values;
}

// Converts the number of a candidate, rung or thread, or a count of threads, to 32 bits.
std::int32_t number(std::int64_t value) { return narrow<std::int32_t>(value, "a number of a record is out of range"); }

}  // namespace

py::dict columns_of(const std::vector<JobRecord>& jobs) {
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

py::dict columns_of(const std::vector<Assist>& assists) {
    py::dict columns;
    columns["candidate"] = column<std::int64_t>(assists, [](const Assist& a) { return a.job.candidate; });
    columns["rung"] = column<std::int64_t>(assists, [](const Assist& a) { return a.job.rung; });
    columns["thread"] = column<std::int64_t>(assists, [](const Assist& a) { return a.thread; });
    columns["start"] = column<double>(assists, [](const Assist& a) { return a.start; });
    columns["end"] = column<double>(assists, [](const Assist& a) { return a.end; });
    columns["busy"] = column<double>(assists, [](const Assist& a) { return a.busy; });
    return columns;
}

Array<std::int64_t> rows_of(const std::vector<Step>& steps) {
    Array<std::int64_t> rows({std::ssize(steps), py::ssize_t{3}});
    std::int64_t* to = rows.mutable_data();
    for (const Step& step : steps) {
        *to++ = step.candidate;
        *to++ = step.rung;
        *to++ = step.finished ? 1 : 0;
    }
    return rows;
}

py::list tuples_of(const std::vector<Event>& found) {
    py::list events;
    for (const Event& e : found) {
        events.append(py::make_tuple(name_of(e.kind), e.candidate, e.rung, e.seconds, e.score));
    }
    return events;
}

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
    // Only functions have failures that are no errors.
    const auto pruned = columns.contains("pruned") ? field<bool>(columns, "pruned", rows) : Array<bool>();
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
                        .diverged = diverged,
                        .pruned = pruned.size() > 0 && pruned.at(at)},
             .fold_scores = diverged ? std::vector<double>{} : std::vector<double>(scores.begin(), scores.end())});
    }
    return jobs;
}

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

}  // namespace ash::bindings
