"""Exports a model as a PyTorch module, which computes logits or targets from scaled features, in float32.

    features --> (embedding) --> (factors) --> linear0 --> activation0 --> ... --> linearN --> (targets)

Only some networks have the layers in parentheses. A network is a torch.nn.Sequential of layers with these names; an
ensemble is an `Average`. The modules are differentiable. This file imports PyTorch, so it is imported only on demand.
"""

import io
import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from ash.export.description import Description, Embedding, Floats, Member, NetworkMember

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
    """Appends the periodic embedding of some features to the features; see `ash.export.description.Embedding`.

    Phases are measured in turns, so their learning rate should be 2 pi times smaller than for radians.
    """

    def __init__(self, embedding: Embedding) -> None:
        super().__init__()
        self.register_buffer("numbers", torch.from_numpy(embedding.numbers.copy()))
        for name in ("frequency", "phase", "mix", "bias"):
            self.register_parameter(name, _parameter(getattr(embedding, name)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features followed by their embedding: [rows, features + DIMENSIONS * numbers]."""
        turns = torch.addcmul(self.phase, features[:, None, self.numbers], self.frequency)
        # Whole turns are removed, so that the cosine's argument is small and precise.
        cosines = torch.cos(2 * math.pi * (turns - turns.detach().round()))
        values = torch.einsum("rkn,kdn->rdn", cosines, self.mix) + self.bias
        return torch.cat([features, values.flatten(1)], dim=1)


class Factors(nn.Module):
    """Multiplies each input by a learned factor."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.ones(inputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the inputs [rows, inputs] times the factors."""
        return inputs * self.factors


class ParametricActivation(nn.Module):
    """Computes (1 - a) x + a f(x) with a learned share a for each column."""

    def __init__(self, function: nn.Module, shares: Floats) -> None:
        super().__init__()
        self.function = function
        self.shares = _parameter(shares)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the activations of the inputs [rows, columns]."""
        return torch.lerp(inputs, self.function(inputs), self.shares)


class TargetUnits(nn.Module):
    """Converts outputs to targets in the units of y; clips them only in evaluation mode, to preserve gradients."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        for name in ("mean", "scale", "least", "most"):
            self.register_buffer(name, torch.from_numpy(getattr(member, f"target_{name}").astype(np.float32)))
        self.exponential = member.exponential

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the targets [rows, targets] for the outputs of the last layer, which have the same shape."""
        scaled = outputs * self.scale
        targets = scaled.exp() * self.mean if self.exponential else scaled + self.mean
        return targets if self.training else targets.clamp(self.least, self.most)


class Average(nn.Module):
    """Computes the weighted mean of the members' targets or probabilities; probabilities are converted back to logits.

    `weights` is a buffer [members] whose sum is 1.
    """

    def __init__(self, members: list[nn.Module], weights: list[float], classifies: bool) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("weights", torch.tensor(weights))
        self.classifies = classifies

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits or targets [rows, outputs] for features [rows, features]."""
        outputs = torch.stack([member(features) for member in self.members])
        if not self.classifies:
            return torch.einsum("m,mro->ro", self.weights, outputs)
        return torch.logsumexp(outputs.log_softmax(dim=2) + self.weights.log()[:, None, None], dim=0)


def module_of(description: Description) -> nn.Module:
    """Return a model as a module in evaluation mode; its tensors are copies of the model's arrays.

    Raises
    ------
    SettingError
        The model has boosted trees, or networks that scale their inputs differently.
    """
    description.only_scaling("PyTorch form")
    classifies = description.classes is not None
    modules = [_network(member, classifies) for member in description.networks]
    weights = [member.weight for member in description.networks]
    return (modules[0] if len(modules) == 1 else Average(modules, weights, classifies)).eval()


def program_bytes(description: Description) -> bytes:
    """Return a model as the bytes of a torch.export program, which torch.export.load reads without ash."""
    module = module_of(description)
    # The example has two rows, since torch.export would treat a single row as a fixed size.
    examples, shapes = (torch.zeros(2, description.features),), ({0: torch.export.Dim("rows")},)
    program = torch.export.export(module, examples, dynamic_shapes=shapes)
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
        linear = nn.utils.skip_init(nn.Linear, *layer.weights.shape)  # leaves the user's random generator as it is
        linear.weight, linear.bias = _parameter(layer.weights.T), _parameter(layer.biases)
        layers[f"linear{place}"] = linear
        if place + 1 < len(member.layers):
            function = _ACTIVATIONS[layer.activation]()
            activation = function if layer.shares is None else ParametricActivation(function, layer.shares)
            layers[f"activation{place}"] = activation
    if not classifies:
        layers["targets"] = TargetUnits(member)
    return nn.Sequential(layers)


def _parameter(values: Floats) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.array(values, np.float32, order="C")))
