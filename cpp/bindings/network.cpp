#include "ash/train/network.hpp"

#include "ash/kernels/embedding.hpp"
#include "ash/kernels/kernels.hpp"
#include "bindings/common.hpp"
#include "bindings/model_parts.hpp"

namespace ash::bindings {
namespace {

Network make_network(const std::vector<Array<float>>& weights, const std::vector<Array<float>>& biases,
                     const std::vector<std::string>& activations, int classes, const std::vector<double>& input_center,
                     const std::vector<double>& input_scale, const std::vector<double>& input_limit,
                     const std::vector<double>& target_mean, const std::vector<double>& target_scale,
                     const std::vector<int>& numbers, const Array<float>& embedding,
                     const std::vector<Array<float>>& shares, bool exponential, const std::vector<double>& target_least,
                     const std::vector<double>& target_most) {
    require(weights.size() == biases.size(), "weights and biases: one each a layer");
    require(shares.empty() || shares.size() + 1 == weights.size(), "shares: one a hidden layer, or none");
    std::vector<LayerWeights> layers;
    for (std::size_t l = 0; l < weights.size(); ++l) {
        require(weights[l].ndim() == 2 && biases[l].ndim() == 1, "weights: two dimensions; biases: one");
        const auto w = view(weights[l]);
        const auto b = view(biases[l]);
        layers.push_back({narrow<int>(weights[l].shape(0), "weights: too many inputs"),
                          narrow<int>(weights[l].shape(1), "weights: too many outputs"),
                          {w.begin(), w.end()},
                          {b.begin(), b.end()}});
    }
    for (std::size_t l = 0; l < shares.size(); ++l) {
        require(shares[l].ndim() == 1, "shares: one dimension");
        const auto of_layer = view(shares[l]);
        layers[l].shares.assign(of_layer.begin(), of_layer.end());
    }
    std::vector<Activation> parsed;
    for (const std::string& text : activations) parsed.push_back(parse<Activation>(text));
    require(embedding.ndim() == 2 && embedding.shape(1) == std::ssize(numbers), "embedding: a column a number");
    const auto parameters = view(embedding);
    return Network(layers, parsed, classes, {input_center, input_scale, input_limit},
                   output_units(target_mean, target_scale, exponential, target_least, target_most),
                   {numbers, {parameters.begin(), parameters.end()}});
}

// Returns one array of shares (parametric.hpp) per hidden layer if activations are parametric, else an empty list.
py::list share_arrays(const Network& network) {
    py::list arrays;
    for (std::size_t l = 0; l + 1 < network.layers(); ++l) {
        const LayerWeights layer = network.layer(l);
        if (!layer.shares.empty()) arrays.append(array(layer.shares));
    }
    return arrays;
}

py::list layer_arrays(const Network& network, bool weights) {
    py::list arrays;
    for (std::size_t l = 0; l < network.layers(); ++l) {
        const LayerWeights layer = network.layer(l);
        arrays.append(weights ? array(layer.weights.data(), {layer.inputs, layer.outputs}) : array(layer.biases));
    }
    return arrays;
}

}  // namespace

void bind_network(py::module_& m) {
    py::class_<Network> network(m, "Network");
    network
        .def(py::init(with_room(&make_network)), py::arg("weights"), py::arg("biases"), py::arg("activations"),
             py::arg("classes"), py::arg("input_center"), py::arg("input_scale"), py::arg("input_limit"),
             py::arg("target_mean"), py::arg("target_scale"), py::arg("numbers") = std::vector<int>{},
             py::arg("embedding") = Array<float>(std::vector<py::ssize_t>{embedding::kRows, 0}),
             py::arg("shares") = std::vector<Array<float>>{}, py::arg("exponential") = false,
             py::arg("target_least") = std::vector<double>{}, py::arg("target_most") = std::vector<double>{})
        .def("predict", &predict_rows<Network, double>, py::arg("x").noconvert(), py::arg("threads") = 1,
             py::arg("instruction_set") = "")
        .def("predict", &predict_rows<Network, float>, py::arg("x").noconvert(), py::arg("threads") = 1,
             py::arg("instruction_set") = "")
        .def_property_readonly("weights", [](const Network& n) { return layer_arrays(n, true); })
        .def_property_readonly("biases", [](const Network& n) { return layer_arrays(n, false); })
        .def_property_readonly("shares", &share_arrays)
        .def_property_readonly("activations",
                               [](const Network& n) {
                                   std::vector<std::string> names;
                                   for (std::size_t l = 0; l + 1 < n.layers(); ++l)
                                       names.emplace_back(name(n.activation(l)));
                                   return names;
                               })
        .def_property_readonly("classes", &Network::classes)
        .def_property_readonly("numbers", [](const Network& n) { return n.embedding().numbers; })
        .def_property_readonly("embedding",
                               [](const Network& n) {
                                   const EmbeddingWeights found = n.embedding();
                                   return array(found.parameters.data(),
                                                {std::ptrdiff_t{embedding::kRows}, std::ssize(found.numbers)});
                               })
        .def_property_readonly("input_center", [](const Network& n) { return array(n.inputs().center); })
        .def_property_readonly("input_scale", [](const Network& n) { return array(n.inputs().scale); })
        .def_property_readonly("input_limit", [](const Network& n) { return array(n.inputs().limit); });
    bind_output_units(network);
}

}  // namespace ash::bindings
