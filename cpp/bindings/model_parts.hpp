// model_parts.hpp: helpers shared by the bindings of networks and trees, for predictions and target units.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ash/data/output_units.hpp"
#include "ash/kernels/kernels.hpp"
#include "bindings/common.hpp"

namespace ash::bindings {

inline constexpr const char* kBeyond = "x: infinite, or beyond the range of float32";

inline OutputUnits output_units(const std::vector<double>& target_mean, const std::vector<double>& target_scale,
                                bool exponential, const std::vector<double>& target_least,
                                const std::vector<double>& target_most) {
    OutputUnits targets = without_bounds({target_mean, target_scale, std::vector<double>(target_mean.size(), 0.0)});
    if (exponential) targets.link = Link::exp;
    if (!target_least.empty()) targets.least = target_least;
    if (!target_most.empty()) targets.most = target_most;
    return targets;
}

// Returns a new array [rows of x][columns]. Throws std::invalid_argument unless x has one column per feature.
template <typename Result, typename Value>
Array<Result> result_rows(const Array<Value>& x, int features, int columns, int threads) {
    require(x.ndim() == 2 && x.shape(1) == features, "x: two dimensions, a column a feature");
    require(threads >= 1, "threads: at least 1");
    return Array<Result>({x.shape(0), static_cast<py::ssize_t>(columns)});
}

template <typename Result, typename Model, typename Value>
Array<Result> predict_as(const Model& model, const Array<Value>& x, int threads, const std::string& instruction_set) {
    Array<Result> results = result_rows<Result>(x, model.features(), model.outputs(), threads);
    const Value* from = x.data();
    Result* to = results.mutable_data();
    const std::int64_t rows = x.shape(0);
    const Kernels& table = kernels(instruction_set);
    bool within = true;
    {
        const Released release;  // this frame keeps x and results alive
        within = model.predict(from, rows, threads, table, to);
    }
    require(within, kBeyond);
    return results;
}

// Returns probabilities in float32 or targets in float64.
template <typename Model, typename Value>
py::array predict_rows(const Model& model, const Array<Value>& x, int threads, const std::string& instruction_set) {
    if (model.classes() == 0) return predict_as<double>(model, x, threads, instruction_set);
    return predict_as<float>(model, x, threads, instruction_set);
}

template <typename Model>
void bind_output_units(py::class_<Model>& model) {
    model.def_property_readonly("exponential", [](const Model& m) { return m.targets().link == Link::exp; })
        .def_property_readonly("target_mean", [](const Model& m) { return array(m.targets().scaling.center); })
        .def_property_readonly("target_scale", [](const Model& m) { return array(m.targets().scaling.scale); })
        .def_property_readonly("target_least", [](const Model& m) { return array(m.targets().least); })
        .def_property_readonly("target_most", [](const Model& m) { return array(m.targets().most); });
}

}  // namespace ash::bindings
