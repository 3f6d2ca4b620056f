"""Tests models exported as PyTorch modules: equal outputs, trainable parameters, and programs that do not need ash."""

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ash
import needs
from ash.export.description import describe
from ash.space.hyperparameters import ACTIVATIONS
from export_help import check_outputs
from export_random import random_ensemble, random_network, random_rows

pytestmark = pytest.mark.filterwarnings("ignore:X holds infinite numbers")

torch = needs.package("torch")
SEEDS = range(30)


def run(module: Any, features: NDArray[np.float32]) -> NDArray[np.float64]:
    with torch.no_grad():
        return np.asarray(module(torch.from_numpy(features)).numpy(), np.float64)


def check(model: Any, module: Any, X: Any) -> None:
    outputs = run(module, model.encode(X))
    if model.classes_ is not None:
        outputs = np.asarray(torch.from_numpy(outputs).softmax(dim=1).numpy())
    check_outputs(model, outputs, X)


@pytest.mark.parametrize("seed", SEEDS)
def test_networks_of_every_kind_are_exported(seed: int) -> None:
    random = np.random.default_rng(seed)
    model = random_ensemble(random, classes=[None, 0, 5][seed % 3]) if seed % 4 == 0 else random_network(random)
    X = random_rows(random, model)
    check(model, model.to_torch(), X)


@pytest.fixture(scope="module")
def recipe() -> tuple[Any, NDArray[np.float64]]:
    """Return a network with all kinds of parameters and its training table."""
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 4))
    space = ash.Space(
        hidden=(16, 8), activation="mish", parametric_activation=True, input_scaling=True, embedding="periodic"
    )
    return ash.tune(X, 100 + 9 * np.sin(3 * X[:, 0]) + X[:, 1], space, candidates=1, verbose=0, validation=0.2).model, X


def test_learned_parameters_have_stable_names(recipe: Any) -> None:
    model, _ = recipe
    module = model.to_torch()
    embedding = [f"embedding.{name}" for name in ("frequency", "phase", "mix", "bias")]
    layers = [f"linear{i}.{name}" for i in range(3) for name in ("weight", "bias")]
    shares = [f"activation{i}.shares" for i in range(2)]
    parameters = dict(module.named_parameters())
    assert parameters.keys() == {*embedding, *layers, *shares, "factors.factors"}
    targets = {f"targets.{name}" for name in ("mean", "scale", "least", "most")}
    assert module.state_dict().keys() == parameters.keys() | targets | {"embedding.numbers"}
    assert all(parameter.dtype == torch.float32 and parameter.requires_grad for parameter in parameters.values())
    assert (parameters["linear1.weight"].detach().numpy() == model.core.weights[1].T).all()
    assert (parameters["factors.factors"] == 1).all()


def test_a_module_can_be_trained_further(recipe: Any) -> None:
    model, X = recipe
    before = model.predict(X)
    module, features = model.to_torch(), torch.from_numpy(model.encode(X))
    start = {name: value.detach().clone() for name, value in module.named_parameters()}
    y = torch.from_numpy((before[:, None] + 3).astype(np.float32))
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(module(features), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all((value != start[name]).any() for name, value in module.named_parameters())
    assert (model.predict(X) == before).all()  # the weights are copies


def test_embedding_gradients_match_its_formula(recipe: Any) -> None:
    model, X = recipe
    module, features = model.to_torch().double(), torch.from_numpy(model.encode(X[:3])).double().requires_grad_()
    assert torch.autograd.gradcheck(module.embedding, (features,))


def test_modules_can_be_copied_pickled_and_restored(recipe: Any) -> None:
    model, X = recipe
    module = model.to_torch()
    expected_outputs = run(module, model.encode(X))
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert (run(twin, model.encode(X)) == expected_outputs).all()
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    fresh = model.to_torch()
    torch.nn.init.zeros_(fresh.linear0.weight)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert (run(fresh, model.encode(X)) == expected_outputs).all()


def test_members_of_an_ensemble_are_modules() -> None:
    random = np.random.default_rng(2)
    ensemble = random_ensemble(random, classes=1)
    module = ensemble.to_torch()
    assert np.allclose(module.weights.numpy(), ensemble.weights) and len(module.members) == 3
    X = random_rows(random, ensemble)
    for member, part in zip(ensemble.members, module.members, strict=True):
        check(member, part, X)
    labels = torch.zeros(len(X), dtype=torch.int64)
    loss = torch.nn.functional.cross_entropy(module(torch.from_numpy(ensemble.encode(X))), labels)
    assert loss.item() == pytest.approx(-np.log(ensemble.predict_proba(X)[:, 0]).mean(), rel=1e-4)


def test_exported_programs_accept_any_number_of_rows() -> None:
    from ash.export.torch_module import program_bytes

    random = np.random.default_rng(5)
    ensemble = random_ensemble(random, classes=0, activations=list(ACTIVATIONS), plain=False)
    program = torch.export.load(io.BytesIO(program_bytes(describe(ensemble)))).module()
    for rows in (1, 2, 30):
        X = random_rows(random, ensemble, rows)
        check(ensemble, program, X)


def test_export_does_not_advance_the_user_random_generator() -> None:
    state = torch.get_rng_state()
    random_network(np.random.default_rng(0)).to_torch()
    assert torch.equal(torch.get_rng_state(), state)
