#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ash/build_info.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/measure/measure.hpp"
#include "ash/model/cost.hpp"
#include "ash/run/store.hpp"
#include "ash/train/metrics.hpp"
#include "ash/train/network.hpp"
#include "ash/train/trainer.hpp"
#include "ash/train/training_job.hpp"
#include "ash/train/workspace.hpp"
#include "bindings/common.hpp"

namespace ash::bindings {
namespace {

// Returns the epochs of each cycle. Throws std::invalid_argument for a total above 2^24, since the loss of each epoch
// is stored.
std::vector<std::int64_t> lengths_of(std::int64_t epochs, int cycles, std::int64_t growth) {
    constexpr std::int64_t kMost = std::int64_t{1} << 24;
    constexpr int kMostCycles = 1 << 16;
    require(epochs >= 0 && cycles >= 1 && cycles <= kMostCycles && growth >= 1,
            "epochs, cycles or growth out of range");
    std::vector<std::int64_t> lengths;
    std::int64_t length = epochs;
    for (std::int64_t left = kMost; std::ssize(lengths) < cycles; left -= lengths.back()) {
        require(length <= left, "epochs: more than 2^24 in all cycles");
        lengths.push_back(length);
        length = length > kMost / growth ? kMost + 1 : length * growth;
    }
    return lengths;
}

// Trains a network in cycles of `epochs`, `epochs` * growth, ... epochs, one after the other, in the same way as a
// candidate is trained rung by rung.
py::tuple train_alone(const Data& data, const Settings& settings, std::int64_t epochs, std::uint64_t seed,
                      std::uint32_t candidate, int cycles, std::int64_t growth, const std::string& instruction_set) {
    check(settings);
    check_fits(settings, data);
    const Kernels& table = kernels(instruction_set);
    const std::vector<std::int64_t> lengths = lengths_of(epochs, cycles, growth);
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();  // the loss of the epochs after divergence
    const std::int64_t all = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    std::vector<double> losses(static_cast<std::size_t>(all), kNan);
    State state;
    {
        const Released release;  // the caller's arguments keep data and settings alive
        state = initial_state(data.shape(), settings, seed, candidate);
        Workspace workspace(data, {&settings, 1});
        std::span<double> rest = losses;
        for (const std::int64_t length : lengths) {
            const std::span<double> part = rest.first(static_cast<std::size_t>(length));
            rest = rest.subspan(part.size());
            const Training training{.epochs = length, .seed = seed, .candidate = candidate, .losses = part};
            if (train(data, settings, training, table, state, workspace).diverged) break;
        }
    }
    return py::make_tuple(Network(state, data), array(losses));
}

// Returns the weighted mean of -log(probability of the label).
double mean_cross_entropy(const Predictions& rows, const Truth& truth) {
    std::vector<float> logs;
    for (std::int64_t r = 0; r < rows.rows; ++r) {
        const float probability = rows.values[r * rows.stride + truth.labels[static_cast<std::size_t>(r)]];
        logs.push_back(std::max(probability, std::numeric_limits<float>::min()));
    }
    kernels("").elementary(Elementary::log, logs.data(), logs.data(), rows.rows);
    double sum = 0.0;
    double weights = 0.0;
    for (std::size_t r = 0; r < logs.size(); ++r) {
        const double weight = truth.weights.empty() ? 1.0 : double{truth.weights[r]};
        sum -= weight * logs[r];
        weights += weight;
    }
    return sum / weights;
}

// Returns the weighted mean Poisson deviance of a single target.
double mean_deviance(const Predictions& rows, const Truth& truth) {
    std::vector<float> deviances(truth.targets.values, truth.targets.values + rows.rows);
    std::vector<float> predictions(rows.values, rows.values + rows.rows);
    poisson_deviances(kernels(""), deviances.data(), predictions.data(), rows.rows);
    double sum = 0.0;
    double weights = 0.0;
    for (std::size_t r = 0; r < deviances.size(); ++r) {
        const double weight = truth.weights.empty() ? 1.0 : double{truth.weights[r]};
        sum += weight * deviances[r];
        weights += weight;
    }
    return sum / weights;
}

std::vector<std::int32_t> labels_of(std::span<const double> y, int classes) {
    std::vector<std::int32_t> labels;
    labels.reserve(y.size());
    for (const double label : y) {
        require(label >= 0.0 && label < classes && label == std::floor(label), "y: a class number out of range");
        labels.push_back(static_cast<std::int32_t>(label));
    }
    return labels;
}

// Returns whether float holds values [rows][outputs] of this output exactly.
template <typename Value>
bool are_floats(std::span<const Value> values, std::size_t outputs, std::size_t output) {
    for (std::size_t i = output; i < values.size(); i += outputs) {
        if (Value{static_cast<float>(values[i])} != values[i]) return false;
    }
    return true;
}

// Returns a number that is subtracted from targets y [rows][outputs] and their predictions before both are rounded to
// float. It is 0 if float holds all of them, and unless all targets of the output are closer to each other than to 0.
template <typename Value>
double shift_of(std::span<const double> y, std::span<const Value> predictions, std::size_t outputs,
                std::size_t output) {
    if (are_floats(y, outputs, output) && are_floats(predictions, outputs, output)) return 0.0;
    double least = std::numeric_limits<double>::infinity();
    double most = -least;
    for (std::size_t i = output; i < y.size(); i += outputs) {
        least = std::min(least, y[i]);
        most = std::max(most, y[i]);
    }
    const bool is_close = most - least < std::max(least, -most);
    return !is_close ? 0.0 : least > 0.0 ? least : most;
}

// Returns values [rows][outputs], each less the shift of its output.
template <typename Value>
std::vector<float> shifted(std::span<const Value> values, const std::vector<double>& shifts) {
    std::vector<float> result(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        result[i] = static_cast<float>(values[i] - shifts[i % shifts.size()]);
    }
    return result;
}

template <typename Value>
double score_of(const std::string& metric, const Array<double>& y, const Array<Value>& predictions, int classes,
                const std::vector<float>& weights, double level, int positive) {
    require(positive == 0 || positive == 1, "positive: 0 or 1");
    require(classes >= 0 && classes != 1, "classes: 0, or at least 2");
    require(y.ndim() == 2 && predictions.ndim() == 2 && y.shape(0) == predictions.shape(0) &&
                y.shape(1) == (classes > 0 ? 1 : predictions.shape(1)) &&
                (classes == 0 || predictions.shape(1) == classes),
            "y, predictions: shapes");
    require(weights.empty() || std::ssize(weights) == y.shape(0), "weights: one a row");
    const int outputs = narrow<int>(predictions.shape(1), "predictions: too many columns");
    const Metric parsed = parse_metric(metric);
    const auto given = view(y);
    std::vector<double> shifts(static_cast<std::size_t>(outputs), 0.0);
    for (std::size_t o = 0; classes == 0 && parsed != Metric::poisson && o < shifts.size(); ++o)
        shifts[o] = shift_of<Value>(given, view(predictions), shifts.size(), o);
    const std::vector<float> predicted = shifted<Value>(view(predictions), shifts);
    const Predictions rows{predicted.data(), predictions.shape(0), outputs, outputs};
    Truth truth{.rows = rows.rows, .outputs = rows.outputs, .weights = weights, .positive = positive};
    std::vector<std::int32_t> labels;
    std::vector<float> targets;
    if (classes > 0) {
        labels = labels_of(given, classes);
        truth.labels = labels;
    } else {
        targets = shifted<double>(given, shifts);
        truth.targets = {.values = targets.data(), .stride = y.shape(1), .level = level};
    }
    RunningScore score;
    score.begin(parsed, truth);
    require(parsed != Metric::poisson || outputs == 1, "poisson: one target");
    score.add(rows);
    if (parsed == Metric::poisson) return score.score(mean_deviance(rows, truth));
    return score.score(classes == 0 ? 0.0 : mean_cross_entropy(rows, truth));
}

// Returns the shape of a network. numbers: the number of features that are embedded.
Shape shape_of(int features, int outputs, int numbers) {
    require(features >= 1 && features <= kMostColumns, "features: 1 to 2^28");
    require(outputs >= 1 && outputs <= kMostColumns, "outputs: 1 to 2^28");
    require(numbers >= 0 && numbers <= features, "numbers: 0 to features");
    return {features, outputs, numbers};
}

std::int64_t bytes_of_workspace(const std::vector<Settings>& candidates, int features, int outputs, int numbers,
                                const std::string& metric, bool weighted, std::int64_t training_rows,
                                std::int64_t epoch_rows, std::int64_t validation_rows) {
    constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
    require(training_rows >= 1 && training_rows <= kMost, "training_rows: 1 to 2^32 - 1");
    require(validation_rows >= 0 && validation_rows <= kMost, "validation_rows: 0 to 2^32 - 1");
    require(epoch_rows >= 0, "epoch_rows: at least 0");
    for (const Settings& settings : candidates) check(settings);
    const Metric scored = parse_metric(metric);
    const TableSize table{.shape = shape_of(features, outputs, numbers),
                          .classifies = classifies(scored),
                          .weighted = weighted,
                          .training_rows = training_rows,
                          .epochs = EpochCut(training_rows, epoch_rows)};
    return workspace_bytes(table, candidates) + RunningScore::bytes(scored, validation_rows, outputs);
}

std::int64_t bytes_of_state(const Settings& settings, int features, int outputs, int numbers) {
    check(settings);
    return state_bytes(Layout(shape_of(features, outputs, numbers), settings), settings.optimizer);
}

Array<float> evaluate_elementary(const std::string& function, const Array<float>& x,
                                 const std::string& instruction_set) {
    Array<float> y(x.size());
    const auto which = pick<Elementary>(function, {{"exp", Elementary::exp},
                                                   {"log", Elementary::log},
                                                   {"tanh", Elementary::tanh},
                                                   {"sigmoid", Elementary::sigmoid}});
    kernels(instruction_set).elementary(which, view(x).data(), y.mutable_data(), x.size());
    return y;
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const Kernels* table : available_kernels()) names.emplace_back(table->name);
    return names;
}

py::dict describe_build() {
    py::dict info;
    info["version"] = build_info::kVersion;
    info["commit"] = build_info::kCommit;
    info["compiler"] = build_info::kCompiler;
    info["build_type"] = build_info::kBuildType;
    info["flags"] = std::string(build_info::kFlags) + "; kernels: " + build_info::kKernelFlags;
    info["openmp"] = build_info::kOpenMP;
    info["instruction_set"] = available_kernels().front()->name;
    info["instruction_sets"] = py::str(", ").attr("join")(instruction_sets());
    return info;
}

void check_runs(std::int64_t steps, int repeats) {
    constexpr std::int64_t kMostSteps = std::int64_t{1} << 40;
    constexpr int kMostRepeats = 1 << 20;
    require(steps >= 1 && steps <= kMostSteps, "steps: 1 to 2^40");
    require(repeats >= 1 && repeats <= kMostRepeats, "repeats: 1 to 2^20");
}

py::dict time_team_of(const Data& data, const Settings& settings, std::int64_t steps, int repeats, int threads,
                      const std::string& instruction_set) {
    check(settings);
    check_fits(settings, data);
    check_runs(steps, repeats);
    require(threads >= 2, "threads: a team has at least 2");
    checked_places(threads, "threads: at most 65536");
    const Kernels& table = kernels(instruction_set);
    TeamTimes times;
    {
        const Released release;  // the caller's arguments keep data and settings alive
        times = time_team(data, settings, steps, repeats, threads, table);
    }
    py::dict result;
    result["alone"] = times.alone;
    result["shared"] = times.shared;
    result["blocks"] = times.blocks;
    result["round_trip"] = times.round_trip;
    return result;
}

}  // namespace

void bind_training(py::module_& m) {
    m.def("train", &train_alone, py::arg("data"), py::arg("settings"), py::arg("epochs"), py::arg("seed") = 0,
          py::arg("candidate") = 0, py::arg("cycles") = 1, py::arg("growth") = 1, py::arg("instruction_set") = "");
    m.def("score", &score_of<float>, py::arg("metric"), py::arg("y").noconvert(), py::arg("predictions").noconvert(),
          py::arg("classes"), py::arg("weights") = std::vector<float>{}, py::arg("level") = 0.5,
          py::arg("positive") = 1);
    m.def("score", &score_of<double>, py::arg("metric"), py::arg("y").noconvert(), py::arg("predictions").noconvert(),
          py::arg("classes"), py::arg("weights") = std::vector<float>{}, py::arg("level") = 0.5,
          py::arg("positive") = 1);
    m.def("metrics", [] {
        py::list found;
        for (const MetricTraits& each : all_metrics()) {
            found.append(
                py::make_tuple(each.name, each.classifies, each.of_labels, each.of_positive, each.all_classes));
        }
        return found;
    });
    m.def("workspace_bytes", &bytes_of_workspace, py::arg("candidates"), py::arg("features"), py::arg("outputs"),
          py::arg("numbers"), py::kw_only(), py::arg("metric"), py::arg("weighted"), py::arg("training_rows"),
          py::arg("epoch_rows"), py::arg("validation_rows"));
    m.def("state_bytes", &bytes_of_state, py::arg("settings"), py::arg("features"), py::arg("outputs"),
          py::arg("numbers"));
    m.def("evaluate_elementary", &evaluate_elementary, py::arg("function"), py::arg("x").noconvert(),
          py::arg("instruction_set") = "");
    m.def(
        "training_cost",
        [](const Settings& settings, int features, int outputs, int numbers) {
            check(settings);
            return training_cost(Layout({features, outputs, numbers}, settings));
        },
        py::arg("settings"), py::arg("features"), py::arg("outputs"), py::arg("numbers"));
    m.def("instruction_sets", &instruction_sets);
    m.def("build_info", &describe_build);
    m.def(
        "fma_peak",
        [](const std::string& instruction_set, double seconds) {
            return fma_peak(kernels(instruction_set), checked_seconds(seconds));
        },
        py::arg("instruction_set") = "", py::arg("seconds") = 0.2, py::call_guard<Released>());
    m.def(
        "time_steps",
        [](const Data& data, const Settings& settings, std::int64_t steps, int repeats, const std::string& set) {
            check(settings);
            check_fits(settings, data);
            check_runs(steps, repeats);
            return time_steps(data, settings, steps, repeats, kernels(set));
        },
        py::arg("data"), py::arg("settings"), py::arg("steps"), py::arg("repeats"), py::arg("instruction_set") = "",
        py::call_guard<Released>());
    m.def("time_team", &time_team_of, py::arg("data"), py::arg("settings"), py::kw_only(), py::arg("steps"),
          py::arg("repeats"), py::arg("threads"), py::arg("instruction_set") = "");
}

}  // namespace ash::bindings
