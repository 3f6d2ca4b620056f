#include "ash/simulate/simulator.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "ash/simulate/cluster.hpp"
#include "bindings/common.hpp"

namespace ash::bindings {
namespace {

using Numbers = std::optional<Array<double>>;

// The allowed range of the values in a JobTable.
struct Limits {
    double least;
    double most;
};
constexpr double kMost = 1e200;  // small enough that no sum is infinite, even after noise and multiplication by epochs
constexpr Limits kDurations{std::numeric_limits<double>::denorm_min(), kMost};
constexpr Limits kBytes{0.0, kMost};
constexpr Limits kMembers{0.0, std::numeric_limits<int>::max()};

// Wraps an array as a table. values: one-dimensional, with one value per candidate (or one value for all), or
// two-dimensional, with one column per rung.
JobTable table(const Array<double>& values, const LadderSettings& ladder, std::size_t rungs,
               const std::optional<Limits>& limits) {
    const bool for_rungs = values.ndim() == 2;
    require(values.ndim() == 1 || for_rungs, "a table of jobs has one or two dimensions");
    require(values.shape(0) == ladder.candidates || (values.shape(0) == 1 && !for_rungs),
            "a table of jobs has a row a candidate");
    require(!for_rungs || static_cast<std::size_t>(values.shape(1)) == rungs, "a table of jobs has a column a rung");
    const auto within = [&](double value) { return value >= limits->least && value <= limits->most; };
    require(!limits || std::ranges::all_of(view(values), within), "a table of jobs has a number out of range");
    return {.values = view(values), .rungs = for_rungs ? values.shape(1) : 0};
}

py::dict simulated_columns(const std::vector<SimulatedJob>& jobs) {
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

void add_totals(py::dict& totals, const ClusterSimulation& simulation) {
    totals["processes"] = simulation.processes;
    totals["bytes"] = simulation.bytes;
    totals["moves"] = simulation.moves;
    totals["coordinator"] = simulation.coordinator;
    totals["line"] = simulation.line;
}

py::list rung_work(const Simulation& simulation) {
    py::list rungs;
    for (const RungWork& rung : simulation.rungs) rungs.append(py::make_tuple(rung.jobs, rung.seconds));
    return rungs;
}

py::tuple run(std::int64_t candidates, const Array<double>& costs, const Numbers& seconds, const Numbers& scores,
              const Numbers& losses, std::int64_t eta, std::int64_t min_epochs, std::int64_t max_rungs,
              const std::string& algorithm, const std::string& promotion, std::int64_t max_total_epochs,
              double stop_score, std::int64_t patience, const std::string& schedule, int workers,
              const std::string& order, int threads, bool teams, double team_efficiency, const Numbers& team_limits,
              double noise, std::uint64_t seed, const std::optional<Cluster>& cluster, const Numbers& state_bytes,
              bool keep_jobs, const Rungs& given) {
    constexpr double kMostNoise = 10.0;
    require(noise >= 0.0 && noise <= kMostNoise, "noise: 0 to 10");
    const SimulationSettings settings{
        .ladder = ladder_settings(candidates, eta, min_epochs, max_rungs, algorithm, promotion, max_total_epochs,
                                  stop_score, patience, 0, given),
        .schedule = schedule_of(schedule),
        .workers = checked_places(workers, "virtual_workers: 1 to 65536"),
        .order = pick<Order>(order, {{"finish", Order::finish}, {"start", Order::start}, {"rung", Order::rung}}),
        .threads = checked_places(threads, "threads: 1 to 65536"),
        .teams = teams,
        .team_efficiency = team_efficiency};
    const std::size_t rungs = Ladder(settings.ladder).rungs().size();
    const auto read = [&](const Array<double>& values, const std::optional<Limits>& limits) {
        return table(values, settings.ladder, rungs, limits);
    };
    const JobTable cost = read(costs, kDurations);
    const JobTable real = seconds ? read(*seconds, kDurations) : cost;
    const JobTable loss = losses ? read(*losses, std::nullopt) : JobTable{};
    const JobTable score = scores ? read(*scores, std::nullopt) : JobTable{};
    const JobTable limit = team_limits ? read(*team_limits, kMembers) : JobTable{};
    const JobTable state = state_bytes ? read(*state_bytes, kBytes) : JobTable{};
    const Workload workload{
        .seconds = [&](const Job& job) { return real.whole(job) * (noise > 0 ? timing_noise(seed, job, noise) : 1.0); },
        .cost = [&](const Job& job) { return cost.whole(job); },
        .outcome =
            [&](const Job& job) {
                return SimulatedOutcome{.score = scores ? score.of(job) : random_score(seed, job, eta),
                                        .loss = losses ? loss.of(job) : 0.0};
            },
        .most_members =
            [&](const Job& job) { return team_limits ? std::max(1, static_cast<int>(limit.of(job))) : threads; },
        .state_bytes = [&](const Job& job) { return state_bytes ? state.of(job) : 0.0; }};
    std::vector<SimulatedJob> jobs;
    const auto keep = [&](const SimulatedJob& job) {
        if (keep_jobs) jobs.push_back(job);
    };
    ClusterSimulation simulation;
    {
        const Released released;  // the caller's arguments keep the arrays alive; no other Python object is used
        if (cluster) {
            simulation = simulate_cluster(settings, *cluster, workload, keep);
        } else {
            simulation.run = simulate(settings, workload, keep);
        }
    }
    py::dict found = totals(simulation.run);
    if (cluster) add_totals(found, simulation);
    return py::make_tuple(found, rung_work(simulation.run), simulated_columns(jobs));
}

Cluster make_cluster(int threads_per_process, int in_flight, bool states_stay, double latency, double bandwidth,
                     double process_bandwidth, double data_bytes, double decision_seconds) {
    return {.threads_per_process = threads_per_process,
            .in_flight = in_flight,
            .states_stay = states_stay,
            .latency = latency,
            .bandwidth = bandwidth,
            .process_bandwidth = process_bandwidth,
            .data_bytes = data_bytes,
            .decision_seconds = decision_seconds};
}

}  // namespace

void bind_simulator(py::module_& m) {
    py::class_<Cluster>(m, "Cluster")
        .def(py::init(with_room(&make_cluster)), py::kw_only(), py::arg("threads_per_process"), py::arg("in_flight"),
             py::arg("states_stay"), py::arg("latency"), py::arg("bandwidth"), py::arg("process_bandwidth"),
             py::arg("data_bytes"), py::arg("decision_seconds"));
    m.def("simulate", &run, py::arg("candidates"), py::arg("costs").noconvert(), py::kw_only(),
          py::arg("seconds").noconvert() = py::none(), py::arg("scores").noconvert() = py::none(),
          py::arg("losses").noconvert() = py::none(), py::arg("eta") = 2, py::arg("min_epochs") = 1,
          py::arg("max_rungs") = 0, py::arg("algorithm") = "ash", py::arg("promotion") = "capped",
          py::arg("max_total_epochs") = 0, py::arg("stop_score") = std::numeric_limits<double>::quiet_NaN(),
          py::arg("patience") = 0, py::arg("schedule") = "reproducible", py::arg("virtual_workers") = 32,
          py::arg("order") = "finish", py::arg("threads") = 1, py::arg("teams") = true,
          py::arg("team_efficiency") = 1.0, py::arg("team_limits").noconvert() = py::none(), py::arg("noise") = 0.0,
          py::arg("seed") = 0, py::arg("cluster") = py::none(), py::arg("state_bytes").noconvert() = py::none(),
          py::arg("keep_jobs") = false, py::arg("rungs") = Rungs());
}

}  // namespace ash::bindings
