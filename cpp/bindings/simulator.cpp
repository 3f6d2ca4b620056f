#include "ash/simulator.hpp"

#include <limits>
#include <optional>

#include "bindings/common.hpp"

namespace ash::bindings {
namespace {

using Numbers = std::optional<Array<double>>;

// An array of one dimension, a value a candidate (or one for all), or of two, with a column a rung.
JobTable table(const Array<double>& values, const LadderSettings& ladder, std::size_t rungs) {
    const bool for_rungs = values.ndim() == 2;
    require(values.ndim() == 1 || for_rungs, "a table of jobs has one or two dimensions");
    require(values.shape(0) == ladder.candidates || (values.shape(0) == 1 && !for_rungs),
            "a table of jobs has a row a candidate");
    require(!for_rungs || static_cast<std::size_t>(values.shape(1)) == rungs, "a table of jobs has a column a rung");
    return {.values = view(values), .rungs = for_rungs ? values.shape(1) : 0};
}

py::dict job_columns(const std::vector<SimulatedJob>& jobs) {
    py::dict columns;
    columns["candidate"] = column<std::int64_t>(jobs, [](const SimulatedJob& j) { return j.job.candidate; });
    columns["rung"] = column<std::int64_t>(jobs, [](const SimulatedJob& j) { return j.job.rung; });
    columns["epochs"] = column<std::int64_t>(jobs, [](const SimulatedJob& j) { return j.job.epochs; });
    columns["thread"] = column<std::int64_t>(jobs, [](const SimulatedJob& j) { return j.thread; });
    columns["start"] = column<double>(jobs, [](const SimulatedJob& j) { return j.start; });
    columns["end"] = column<double>(jobs, [](const SimulatedJob& j) { return j.end; });
    columns["team"] = column<std::int64_t>(jobs, [](const SimulatedJob& j) { return j.team; });
    return columns;
}

py::dict totals(const Simulation& simulation) {
    py::dict result;
    result["makespan"] = simulation.makespan;
    result["busy"] = simulation.busy;
    result["work"] = simulation.work;
    result["chain"] = simulation.chain;
    result["jobs"] = simulation.jobs;
    result["epochs"] = simulation.epochs;
    return result;
}

py::list rung_work(const Simulation& simulation) {
    py::list rungs;
    for (const RungWork& rung : simulation.rungs) rungs.append(py::make_tuple(rung.jobs, rung.seconds));
    return rungs;
}

py::tuple run(std::int64_t candidates, const Array<double>& costs, const Numbers& seconds, const Numbers& scores,
              const Numbers& losses, std::int64_t eta, std::int64_t min_epochs, std::int64_t max_rungs,
              const std::string& algorithm, const std::string& promotion, std::int64_t epoch_limit, double target,
              const std::string& schedule, int workers, const std::string& order, int threads, bool teams,
              double team_efficiency, const Numbers& team_limits, double noise, std::uint64_t seed, bool keep_jobs) {
    const SimulationSettings settings{
        .ladder = ladder_settings(candidates, eta, min_epochs, max_rungs, algorithm, promotion, epoch_limit, target),
        .schedule = pick<Schedule>(schedule, {{"greedy", Schedule::greedy}, {"reproducible", Schedule::reproducible}}),
        .workers = workers,
        .order = pick<Order>(order, {{"finish", Order::finish}, {"start", Order::start}, {"rung", Order::rung}}),
        .threads = threads,
        .teams = teams,
        .team_efficiency = team_efficiency};
    const std::size_t rungs = Ladder(settings.ladder).rungs().size();
    const auto read = [&](const Array<double>& values) { return table(values, settings.ladder, rungs); };
    const JobTable cost = read(costs);
    const JobTable real = seconds ? read(*seconds) : cost;
    const JobTable loss = losses ? read(*losses) : JobTable{};
    const JobTable score = scores ? read(*scores) : JobTable{};
    const JobTable limit = team_limits ? read(*team_limits) : JobTable{};
    const Workload workload{
        .seconds = [&](const Job& job) { return real.whole(job) * (noise > 0 ? timing_noise(seed, job, noise) : 1.0); },
        .cost = [&](const Job& job) { return cost.whole(job); },
        .outcome =
            [&](const Job& job) {
                return Outcome{.score = scores ? score.of(job) : random_score(seed, job, eta),
                               .loss = losses ? loss.of(job) : 0.0};
            },
        .most_members = [&](const Job& job) { return team_limits ? static_cast<int>(limit.of(job)) : threads; }};
    std::vector<SimulatedJob> jobs;
    const auto keep = [&](const SimulatedJob& job) {
        if (keep_jobs) jobs.push_back(job);
    };
    Simulation simulation;
    {
        const py::gil_scoped_release released;  // the arrays are the caller's arguments; nothing else is of Python
        simulation = simulate(settings, workload, keep);
    }
    return py::make_tuple(totals(simulation), rung_work(simulation), job_columns(jobs));
}

}  // namespace

void bind_simulator(py::module_& m) {
    m.def("simulate", &run, py::arg("candidates"), py::arg("costs").noconvert(), py::kw_only(),
          py::arg("seconds").noconvert() = py::none(), py::arg("scores").noconvert() = py::none(),
          py::arg("losses").noconvert() = py::none(), py::arg("eta") = 2, py::arg("min_epochs") = 1,
          py::arg("max_rungs") = 0, py::arg("algorithm") = "ash", py::arg("promotion") = "capped",
          py::arg("epoch_limit") = 0, py::arg("target") = std::numeric_limits<double>::quiet_NaN(),
          py::arg("schedule") = "reproducible", py::arg("workers") = 32, py::arg("order") = "finish",
          py::arg("threads") = 1, py::arg("teams") = true, py::arg("team_efficiency") = 1.0,
          py::arg("team_limits").noconvert() = py::none(), py::arg("noise") = 0.0, py::arg("seed") = 0,
          py::arg("keep_jobs") = false);
}

}  // namespace ash::bindings
