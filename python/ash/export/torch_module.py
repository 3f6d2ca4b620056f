"""A model as a PyTorch module: float32, differentiable, from scaled features to logits or targets.

    features --> (embedding) --> (factors) --> linear0 --> activation0 --> ... --> linearN --> (targets)

Only some networks have the layers in brackets. A network is a torch.nn.Sequential of layers with these names; an
ensemble is an `Average`. Imports PyTorch, so it is imported only on request.
"""

import io
import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from ash.export.description import Description, Embedding, Floats, Layer, Member, NetworkMember

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "selu": nn.SELU,
    "mish": nn.Mish,
    "identity": nn.Identity,
}


class PeriodicEmbedding(nn.Module):
    """Appends to the features values computed from some of them: see `ash.export.description.Embedding`.

    Phases are in turns: their learning rate should be 2 pi times smaller than it would be in radians.
    """

    def __init__(self, embedding: Embedding) -> None:
        super().__init__()
        self.register_buffer("numbers", torch.from_numpy(embedding.numbers.copy()))
        self.frequency = _parameter(embedding.frequency)
        self.phase = _parameter(embedding.phase)
        self.mix = _parameter(embedding.mix)
        self.bias = _parameter(embedding.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return [rows, features + DIMENSIONS * numbers] for [rows, features]."""
        turns = torch.addcmul(self.phase, features[:, None, self.numbers], self.frequency)
        cosines = torch.cos(2 * math.pi * (turns - turns.detach().round()))  # whole turns would cost digits
        values = torch.einsum("rkn,kdn->rdn", cosines, self.mix) + self.bias
        return torch.cat([features, values.flatten(1)], dim=1)


class Factors(nn.Module):
    """Multiplies each input by a learned factor."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.ones(inputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return inputs [rows, inputs] times the factors."""
        return inputs * self.factors


class ParametricActivation(nn.Module):
    """(1 - a) x + a f(x) with a learned share a for each column."""

    def __init__(self, function: nn.Module, shares: Floats) -> None:
        super().__init__()
        self.function = function
        self.shares = _parameter(shares)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the activation of inputs [rows, columns]."""
        return torch.lerp(inputs, self.function(inputs), self.shares)


class TargetUnits(nn.Module):
    """Converts outputs to targets in the units of y; clips them only in evaluation mode, to keep gradients."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(member.target_mean.astype(np.float32)))
        self.register_buffer("scale", torch.from_numpy(member.target_scale.astype(np.float32)))
        self.register_buffer("least", torch.from_numpy(member.target_least.astype(np.float32)))
        self.register_buffer("most", torch.from_numpy(member.target_most.astype(np.float32)))
        self.exponential = member.exponential

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the targets for the outputs of the last layer, both [rows, targets]."""
        scaled = outputs * self.scale
        targets = scaled.exp() * self.mean if self.exponential else scaled + self.mean
        return targets if self.training else targets.clamp(self.least, self.most)


class Average(nn.Module):
    """The weighted mean of the members' targets, or of their probabilities, converted back to logits.

    `weights` is a buffer [members]; the weights sum to 1.
    """

    def __init__(self, members: list[nn.Module], weights: list[float], classifies: bool) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("weights", torch.tensor(weights))
        self.classifies = classifies

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits or targets [rows, outputs] for [rows, features]."""
        outputs = torch.stack([member(features) for member in self.members])
        if not self.classifies:
            return torch.einsum("m,mro->ro", self.weights, outputs)
        return torch.logsumexp(outputs.log_softmax(dim=2) + self.weights.log()[:, None, None], dim=0)


def module_of(description: Description) -> nn.Module:
    """Return a model as a module in evaluation mode; its tensors are copies.

    Raises
    ------
    SettingError
        There are boosted trees, or networks that scale their inputs differently.
    """
    description.only_scaling("PyTorch form")
    classifies = description.classes is not None
    modules = [_network(member, classifies) for member in description.networks]
    if len(modules) == 1:
        return modules[0].eval()
    return Average(modules, [member.weight for member in description.networks], classifies).eval()


def program_bytes(description: Description) -> bytes:
    """Return a model as a program of torch.export, which torch.export.load reads without ash."""
    module = module_of(description)
    examples = (torch.zeros(2, description.features),)  # two rows: with one, the number of rows would be fixed
    rows = torch.export.Dim("rows")
    program = torch.export.export(module, examples, dynamic_shapes=({0: rows},))
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def _network(member: NetworkMember, classifies: bool) -> nn.Module:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if member.embedding is not None:
        layers["embedding"] = PeriodicEmbedding(member.embedding)
    if member.learns_factors:
        layers["factors"] = Factors(len(member.layers[0].weights))
    for place, layer in enumerate(member.layers):
        layers[f"linear{place}"] = _linear(layer)
        if place + 1 < len(member.layers):
            layers[f"activation{place}"] = _activation(layer)
    if not classifies:
        layers["targets"] = TargetUnits(member)
    return nn.Sequential(layers)


def _linear(layer: Layer) -> nn.Module:
    linear = nn.utils.skip_init(nn.Linear, *layer.weights.shape)  # draws nothing from the user's generator
    linear.weight = _parameter(layer.weights.T)
    linear.bias = _parameter(layer.biases)
    return linear


def _activation(layer: Layer) -> nn.Module:
    function = _ACTIVATIONS[layer.activation]()
    return function if layer.shares is None else ParametricActivation(function, layer.shares)


def _parameter(values: Floats) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.array(values, np.float32, order="C")))
