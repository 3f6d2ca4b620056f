#include "ash/train/trees.hpp"

#include "ash/kernels/kernels.hpp"
#include "bindings/common.hpp"
#include "bindings/model_parts.hpp"

namespace ash::bindings {
namespace {

Trees make_trees(int features, const std::vector<std::int64_t>& leaf_starts, const Array<std::int32_t>& feature,
                 const Array<double>& threshold, const Array<std::int32_t>& left, const Array<std::int32_t>& right,
                 const Array<std::uint8_t>& missing, const std::vector<double>& leaf_values, int classes,
                 const std::vector<double>& target_mean, const std::vector<double>& target_scale, bool exponential,
                 const std::vector<double>& target_least, const std::vector<double>& target_most,
                 const std::vector<std::int64_t>& set_starts, const std::vector<std::uint32_t>& set_words) {
    const py::ssize_t size = feature.size();
    require(threshold.size() == size && left.size() == size && right.size() == size && missing.size() == size,
            "nodes: feature, threshold, left, right and missing must have the same length");
    std::vector<TreeNode> nodes;
    nodes.reserve(static_cast<std::size_t>(size));
    for (py::ssize_t i = 0; i < size; ++i)
        nodes.push_back({threshold.data()[i], feature.data()[i], left.data()[i], right.data()[i],
                         static_cast<NanGoes>(missing.data()[i])});
    return Trees(std::move(nodes), leaf_values, leaf_starts, features, classes,
                 output_units(target_mean, target_scale, exponential, target_least, target_most),
                 {set_starts, set_words});
}

template <typename Value>
Array<double> raw_scores(const Trees& trees, const Array<Value>& x, int threads) {
    Array<double> scores = result_rows<double>(x, trees.features(), trees.scores(), threads);
    const Value* from = x.data();
    double* to = scores.mutable_data();
    const std::int64_t rows = x.shape(0);
    bool within = true;
    {
        const Released release;  // this frame keeps x and scores alive
        within = trees.raw_scores(from, rows, threads, to);
    }
    require(within, kBeyond);
    return scores;
}

template <typename T, typename Get>
auto node_column(Get get) {
    return [get](const Trees& trees) { return column<T>(trees.nodes(), get); };
}

}  // namespace

void bind_trees(py::module_& m) {
    py::class_<Trees> trees(m, "Trees");
    trees
        .def(py::init(with_room(&make_trees)), py::arg("features"), py::arg("leaf_starts"),
             py::arg("feature").noconvert(), py::arg("threshold").noconvert(), py::arg("left").noconvert(),
             py::arg("right").noconvert(), py::arg("missing").noconvert(), py::arg("leaf_values"), py::arg("classes"),
             py::arg("target_mean"), py::arg("target_scale"), py::arg("exponential") = false,
             py::arg("target_least") = std::vector<double>{}, py::arg("target_most") = std::vector<double>{},
             py::arg("set_starts") = std::vector<std::int64_t>{0}, py::arg("set_words") = std::vector<std::uint32_t>{})
        .def("predict", &predict_rows<Trees, double>, py::arg("x").noconvert(), py::arg("threads") = 1,
             py::arg("instruction_set") = "")
        .def("predict", &predict_rows<Trees, float>, py::arg("x").noconvert(), py::arg("threads") = 1,
             py::arg("instruction_set") = "")
        .def("raw_scores", &raw_scores<double>, py::arg("x").noconvert(), py::arg("threads") = 1)
        .def("raw_scores", &raw_scores<float>, py::arg("x").noconvert(), py::arg("threads") = 1)
        .def_property_readonly("features", &Trees::features)
        .def_property_readonly("classes", &Trees::classes)
        .def_property_readonly("leaf_starts", [](const Trees& t) { return array(t.leaf_starts()); })
        .def_property_readonly("feature", node_column<std::int32_t>([](const TreeNode& n) { return n.feature; }))
        .def_property_readonly("threshold", node_column<double>([](const TreeNode& n) { return n.threshold; }))
        .def_property_readonly("left", node_column<std::int32_t>([](const TreeNode& n) { return n.left; }))
        .def_property_readonly("right", node_column<std::int32_t>([](const TreeNode& n) { return n.right; }))
        .def_property_readonly("missing", node_column<std::uint8_t>([](const TreeNode& n) { return n.nan; }))
        .def_property_readonly("leaf_values", [](const Trees& t) { return array(t.leaves()); })
        .def_property_readonly("set_starts", [](const Trees& t) { return array(t.sets().starts); })
        .def_property_readonly("set_words", [](const Trees& t) { return array(t.sets().words); });
    bind_output_units(trees);
}

}  // namespace ash::bindings
