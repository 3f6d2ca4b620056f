#include "ash/data/data.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "ash/model/settings.hpp"
#include "ash/train/digest.hpp"
#include "bindings/common.hpp"
#include "bindings/state_parts.hpp"

namespace ash::bindings {
namespace {

// Binds a field that is an enum in C++ and a name (str) in Python.
template <typename Enum, Enum Settings::* kField>
void bind_name(py::class_<Settings>& settings, const char* field) {
    settings.def_property(
        field, [](const Settings& s) { return std::string(name(s.*kField)); },
        [](Settings& s, const std::string& text) { s.*kField = parse<Enum>(text); });
}

void bind_settings(py::module_& m) {
    py::class_<Settings> settings(m, "Settings");
    settings.def(py::init(with_room(+[] { return std::make_unique<Settings>(); })))
        .def_readwrite("hidden", &Settings::hidden)
        .def_property(
            "activations",
            [](const Settings& s) {
                std::vector<std::string> names;
                for (const Activation a : s.activations) names.emplace_back(name(a));
                return names;
            },
            [](Settings& s, const std::vector<std::string>& names) {
                std::vector<Activation> activations;
                for (const std::string& text : names) activations.push_back(parse<Activation>(text));
                s.activations = activations;
            })
        .def_readwrite("embedding_frequency", &Settings::embedding_frequency)
        .def_readwrite("input_scaling", &Settings::input_scaling)
        .def_readwrite("parametric_activation", &Settings::parametric_activation)
        .def_readwrite("learning_rate", &Settings::learning_rate)
        .def_readwrite("momentum", &Settings::momentum)
        .def_readwrite("beta1", &Settings::beta1)
        .def_readwrite("beta2", &Settings::beta2)
        .def_readwrite("epsilon", &Settings::epsilon)
        .def_readwrite("l2", &Settings::l2)
        .def_readwrite("weight_decay", &Settings::weight_decay)
        .def_readwrite("dropout", &Settings::dropout)
        .def_readwrite("label_smoothing", &Settings::label_smoothing)
        .def_readwrite("batch_size", &Settings::batch_size)
        .def_readwrite("external_cost", &Settings::external_cost);
    bind_name<Optimizer, &Settings::optimizer>(settings, "optimizer");
    bind_name<LearningRateSchedule, &Settings::learning_rate_schedule>(settings, "learning_rate_schedule");
    bind_name<Initialization, &Settings::initialization>(settings, "initialization");
    bind_name<Parametrization, &Settings::parametrization>(settings, "parametrization");
    bind_name<Precision, &Settings::precision>(settings, "precision");
    bind_name<Embedding, &Settings::embedding>(settings, "embedding");
    bind_name<TargetTransform, &Settings::target_transform>(settings, "target_transform");
}

// Returns `y` as a TargetTable. Refuses an array without rows, since it could have any number of columns.
TargetTable target_table(const Array<double>& y, int classes, TargetLoss loss = {}, int positive = 1) {
    require(y.ndim() == 2 && y.shape(0) >= 1, "y: two dimensions, at least one row");
    return {view(y).data(), y.shape(0), narrow<int>(y.shape(1), "y: too many columns"), classes, loss, positive};
}

std::shared_ptr<Data> make_data(const Array<double>& x, const Array<double>& y, int classes,
                                const Array<std::int64_t>& training, const Array<std::int64_t>& validation,
                                bool standardize) {
    require(x.ndim() == 2 && x.shape(0) == y.shape(0), "x and y: two dimensions, the same rows");
    const TargetTable targets = target_table(y, classes);
    const Table table{view(x).data(),  targets.y, targets.rows, narrow<int>(x.shape(1), "x: too many columns"),
                      targets.columns, classes};
    const auto training_rows = view(training);
    const auto validation_rows = view(validation);
    const Released release;  // from here on only plain memory is used, which the arguments keep alive
    return std::make_shared<Data>(table, training_rows, validation_rows, standardize);
}

Part part_of(const Array<std::int64_t>& rows, const std::optional<Array<double>>& weights) {
    return {view(rows), weights ? view(*weights) : std::span<const double>{}};
}

std::unique_ptr<DataBuilder> make_builder(const std::vector<bool>& standardized, const Array<double>& y, int classes,
                                          const Array<std::int64_t>& training, const Array<std::int64_t>& validation,
                                          const std::optional<Array<double>>& training_weights,
                                          const std::optional<Array<double>>& validation_weights,
                                          std::int64_t epoch_rows, const std::string& loss, double level,
                                          std::int64_t sparse_cells, int positive) {
    return std::make_unique<DataBuilder>(narrow<int>(std::ssize(standardized), "standardized: too many features"),
                                         target_table(y, classes, {parse<Loss>(loss), level}, positive),
                                         part_of(training, training_weights), part_of(validation, validation_weights),
                                         standardized, epoch_rows, sparse_cells);
}

template <void (DataBuilder::*kFeed)(const double*, std::int64_t)>
void feed(DataBuilder& builder, const Array<double>& x) {
    require(x.ndim() == 2 && x.shape(1) == builder.features(), "x: two dimensions, one column per feature");
    const double* from = view(x).data();
    const std::int64_t rows = x.shape(0);
    const Released release;  // the caller's arguments keep the block alive
    (builder.*kFeed)(from, rows);
}

Array<std::uint64_t> digests_of_rows(const Array<double>& x) {
    require(x.ndim() == 2 && x.shape(1) >= 1, "x: two dimensions, at least one column");
    Array<std::uint64_t> digests(x.shape(0));
    std::uint64_t* to = digests.mutable_data();
    const auto columns = static_cast<std::size_t>(x.shape(1));
    const double* from = view(x).data();
    const std::int64_t rows = x.shape(0);
    const Released release;  // this frame keeps x and the digests alive
    for (std::int64_t row = 0; row < rows; ++row, from += columns) to[row] = digest(std::span(from, columns));
    return digests;
}

std::tuple<Array<double>, Array<double>> robust_scaling(const Array<double>& x) {
    require(x.ndim() == 2 && x.size() >= 1, "x: two dimensions, at least one row and one column");
    const auto columns = static_cast<std::size_t>(x.shape(1));
    const double* from = view(x).data();
    const std::int64_t rows = x.shape(0);
    Scaling scaling;
    {
        const Released release;  // this frame keeps x alive
        Quartiles quartiles(std::vector<bool>(columns, true), rows);
        for (std::int64_t row = 0; row < rows; ++row, from += columns) quartiles.add(from, 1.0);
        scaling = quartiles.scaling();
        for (std::size_t column = 0; column < columns; ++column) {
            if (quartiles.constant(column)) scaling.scale[column] = 0.0;
        }
    }
    return {array(scaling.center), array(scaling.scale)};
}

std::uint64_t digest_of(const AlignedFloats& values) {
    return digest(std::span(values.data(), static_cast<std::size_t>(values.size())));
}

// Returns the digest of the rows' inputs. It is the same whether the rows are stored sparsely or densely.
std::uint64_t digest_of_inputs(const Rows& rows) {
    if (rows.sparse.unused()) return digest_of(rows.x);
    AlignedFloats row(rows.stride);
    DigestOfParts parts;
    for (std::int64_t r = 0; r < rows.count; ++r) {
        parts.add({rows.block(r, 1, row.data()), static_cast<std::size_t>(rows.stride)});
    }
    return parts.digest();
}

// Returns the digests of the rows' inputs, targets and weights.
std::vector<std::uint64_t> digests_of_part(const Rows& rows) {
    const std::vector<float> labels(rows.labels.begin(), rows.labels.end());  // exact for labels below 2^24
    const std::uint64_t targets = labels.empty() ? digest_of(rows.targets) : digest(std::span(labels));
    return {digest_of_inputs(rows), targets, digest(std::span(rows.weights))};
}

using SparseParts = std::tuple<Array<std::int64_t>, Array<std::uint32_t>, Array<std::uint32_t>, Array<float>>;
// The training or validation rows of Data in the form that Python pickles: number of rows, strides, inputs, labels,
// targets, logarithms of targets, weights, sparse inputs.
using RowsParts = std::tuple<std::int64_t, std::int64_t, std::int64_t, Array<float>, Array<std::int32_t>, Array<float>,
                             Array<float>, Array<float>, SparseParts>;
using ScalingParts = std::tuple<std::vector<double>, std::vector<double>, std::vector<double>>;
using UnitsParts = std::tuple<bool, ScalingParts, std::vector<double>, std::vector<double>>;
using DataParts = std::tuple<int, int, ScalingParts, ScalingParts, std::vector<int>, std::vector<int>, RowsParts,
                             RowsParts, std::int64_t, std::string, double, UnitsParts, UnitsParts, int>;

RowsParts parts_of(const Rows& rows) {
    const SparseRows& sparse = rows.sparse;
    return {rows.count,
            rows.stride,
            rows.target_stride,
            array(rows.x),
            array(rows.labels),
            array(rows.targets),
            array(rows.log_targets),
            array(rows.weights),
            {array(sparse.first), array(sparse.size), array(sparse.columns), array(sparse.values)}};
}

ScalingParts parts_of(const Scaling& scaling) { return {scaling.center, scaling.scale, scaling.limit}; }

UnitsParts parts_of(const OutputUnits& units) {
    return {units.link == Link::exp, parts_of(units.scaling), units.least, units.most};
}

DataParts parts_of(const Data& data) {
    // With these `epoch_rows`, EpochCut divides the training rows into as many epochs. EpochCut::rows() might give more.
    const std::int64_t parts = data.epochs().parts();
    const std::int64_t epoch_rows = (data.training().count + parts - 1) / parts;
    return {data.features(),
            data.classes(),
            parts_of(data.inputs()),
            parts_of(data.units()),
            {data.constant_features().begin(), data.constant_features().end()},
            {data.numbers().begin(), data.numbers().end()},
            parts_of(data.training()),
            parts_of(data.validation()),
            epoch_rows,
            std::string(name(data.loss().kind)),
            data.loss().level,
            parts_of(data.output_units()),
            parts_of(data.output_units(true)),
            data.positive()};
}

// Returns the training targets: class numbers, standardized targets [rows][outputs], or standardized logarithms.
Array<float> training_targets(const Data& data, bool log) {
    require(!log || data.has_logarithms(), "log: these targets have no logarithms");
    const Rows& rows = data.training();
    if (data.classes() > 0) return array(std::vector<float>(rows.labels.begin(), rows.labels.end()));
    if (log) return array(rows.log_targets);
    const py::ssize_t columns = data.outputs();
    Array<float> targets({rows.count, columns});
    float* to = targets.mutable_data();
    for (std::int64_t row = 0; row < rows.count; ++row) {
        to = std::copy_n(rows.targets.data() + row * rows.target_stride, columns, to);
    }
    return targets;
}

// Returns the keyword arguments of Trees that define how raw outputs are converted to targets.
py::dict output_units(const Data& data, bool log) {
    require(!log || data.has_logarithms(), "log: these targets have no logarithms");
    const OutputUnits& units = data.output_units(log);
    py::dict all;
    all["exponential"] = units.link == Link::exp;
    all["target_mean"] = array(units.scaling.center);
    all["target_scale"] = array(units.scaling.scale);
    all["target_least"] = array(units.least);
    all["target_most"] = array(units.most);
    return all;
}

template <typename T>
std::vector<T> vector_of(const Array<T>& values) {
    const auto found = view(values);
    return {found.begin(), found.end()};
}

Rows rows_of(const RowsParts& parts) {
    const auto& [count, stride, target_stride, x, labels, targets, log_targets, weights, sparse] = parts;
    const auto& [first, size, columns, values] = sparse;
    Rows rows{count,
              stride,
              target_stride,
              aligned(x),
              vector_of(labels),
              aligned(targets),
              vector_of(log_targets),
              vector_of(weights),
              {}};
    rows.sparse.first = vector_of(first);
    rows.sparse.size = vector_of(size);
    rows.sparse.columns = vector_of(columns);
    rows.sparse.values = vector_of(values);
    return rows;
}

Scaling scaling_of(const ScalingParts& parts) {
    const auto& [center, scale, limit] = parts;
    return {center, scale, limit};
}

OutputUnits units_of(const UnitsParts& parts) {
    const auto& [exponential, scaling, least, most] = parts;
    return {exponential ? Link::exp : Link::identity, scaling_of(scaling), least, most};
}

std::shared_ptr<Data> data_of(const DataParts& parts) {
    const auto& [features, classes, inputs, units, constant, numbers, training, validation, epoch_rows, loss, level,
                 targets, log_targets, positive] = parts;
    return std::make_shared<Data>(Data::Members{features,
                                                classes,
                                                scaling_of(inputs),
                                                scaling_of(units),
                                                constant,
                                                numbers,
                                                rows_of(training),
                                                rows_of(validation),
                                                epoch_rows,
                                                {parse<Loss>(loss), level},
                                                units_of(targets),
                                                units_of(log_targets),
                                                positive});
}

void bind_builder(py::module_& m) {
    py::class_<DataBuilder>(m, "DataBuilder")
        .def(py::init(with_room(&make_builder)), py::arg("standardized"), py::arg("y").noconvert(), py::arg("classes"),
             py::arg("training").noconvert(), py::arg("validation").noconvert(),
             py::arg("training_weights").noconvert() = py::none(),
             py::arg("validation_weights").noconvert() = py::none(), py::arg("epoch_rows") = 0,
             py::arg("loss") = "squared_error", py::arg("level") = 0.5, py::arg("sparse_cells") = 0,
             py::arg("positive") = 1)
        .def("observe", &feed<&DataBuilder::observe>, py::arg("x").noconvert())
        .def("fill", &feed<&DataBuilder::fill>, py::arg("x").noconvert())
        .def("finish", [](DataBuilder& builder) { return std::make_shared<Data>(builder.finish()); });
    m.def("row_digests", &digests_of_rows, py::arg("x").noconvert());
    m.def("robust_scaling", [](const Array<double>& x) { return made(robust_scaling(x)); }, py::arg("x").noconvert());
}

}  // namespace

void check_folds(const std::vector<std::shared_ptr<Data>>& data) {
    const auto is_none = [](const std::shared_ptr<Data>& fold) { return fold == nullptr; };
    require(!data.empty() && std::ranges::none_of(data, is_none), "data: at least one fold, and none is None");
}

void bind_data(py::module_& m) {
    bind_settings(m);
    bind_builder(m);
    py::class_<Data, std::shared_ptr<Data>>(m, "Data")
        .def(py::init(with_room(&make_data)), py::arg("x").noconvert(), py::arg("y").noconvert(), py::arg("classes"),
             py::arg("training").noconvert(), py::arg("validation").noconvert(), py::arg("standardize") = true)
        .def(py::pickle([](const Data& data) { return parts_of(data); }, &data_of))
        .def_property_readonly("features", &Data::features)
        .def_property_readonly("outputs", &Data::outputs)
        .def_property_readonly("epoch_rows", [](const Data& data) { return data.epochs().rows(); })
        .def("digests",
             [](const Data& data) {
                 py::dict parts;
                 parts["training"] = digests_of_part(data.training());
                 parts["validation"] = digests_of_part(data.validation());
                 return parts;
             })
        .def("training_targets", &training_targets, py::arg("log") = false)
        .def("training_weights", [](const Data& data) { return array(data.training().weights); })
        .def("output_units", &output_units, py::arg("log") = false)
        .def_property_readonly("constant_features", [](const Data& data) {
            return std::vector<int>(data.constant_features().begin(), data.constant_features().end());
        });
}

}  // namespace ash::bindings
