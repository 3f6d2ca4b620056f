"""`ash-tune show`: what a model is, read out of its file; or what a journal holds."""

import argparse
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

from ash._utils.display import format_table, show, show_params
from ash.cli.cli_predict import load_model
from ash.cli.cli_show_journal import is_journal, journal_lines
from ash.cli.cli_streams import Parser, print_whole, printable
from ash.models.ensemble import Ensemble
from ash.models.model import Model
from ash.models.network import Network

LABELS = 10  # that are listed


def show_parser() -> argparse.ArgumentParser:
    """Return the parser of `ash-tune show`."""
    parser = Parser(
        prog="ash-tune show",
        description="Print what a model of ash-tune is: task, layers, columns; or what a journal holds so far.",
    )
    parser.add_argument("model", metavar="FILE", help="a model such as ash-tune-out/model.safetensors, or a journal")
    return parser


def show_model(wishes: argparse.Namespace) -> None:
    """Print a model, or a journal."""
    if is_journal(wishes.model):
        text = "\n".join(journal_lines(wishes.model))
        print_whole(lambda stream: print(text, file=stream))
        return
    model, content = load_model(wishes.model), Path(wishes.model).read_bytes()
    networks = model.members if isinstance(model, Ensemble) else (model,)
    facts = {
        "task": _task(model),
        "score": f"validation {model.metric} {_score(model.validation_score)}",
        "layers": _layers(networks[0]) if len(networks) == 1 else f"those of {len(networks)} networks, see below",
        "size": f"{sum(map(_weights, networks))} weights and biases, {len(content)} bytes",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    lines = [wishes.model, *(f"{name:8}{fact}" for name, fact in facts.items())]
    lines += ["", *_hyperparameters(model), "", *_columns(model)]
    text = "\n".join(map(printable, lines))
    print_whole(lambda stream: print(text, file=stream))


def _hyperparameters(model: Network | Ensemble) -> list[str]:
    """Return the hyperparameters of a network, or a line for each network of an ensemble."""
    if not isinstance(model, Ensemble):
        return show_params(model.params)
    rows = [
        [place, show(share), _score(network.validation_score), _weights(network)]
        for place, (network, share) in enumerate(zip(model.members, model.weights.tolist(), strict=True))
    ]
    lines = format_table(["network", "share", "score", "size"], rows)
    layers = ["layers", *map(_layers, model.members)]
    return [f"{line}  {layer}" for line, layer in zip(lines, layers, strict=True)]


def _task(model: Model) -> str:
    names = "" if model.target_names is None else f" of {', '.join(map(repr, model.target_names))}"
    if model.classes_ is None:
        return f"regression{names or f' of {model.n_outputs_} target(s)'}"
    labels = [str(label) for label in model.classes_[:LABELS]]
    more = ", ..." if len(model.classes_) > LABELS else ""
    return f"classification{names}, {len(model.classes_)} classes: {', '.join(labels)}{more}"


def _score(score: float) -> str:
    return "unknown" if math.isnan(score) else show(score)


def _layers(model: Network) -> str:
    widths = [model.encoding.features, *(len(bias) for bias in model.core.biases)]
    activations = ", ".join(dict.fromkeys(model.core.activations)) or "linear"
    return f"{'-'.join(map(str, widths))}, {activations}"


def _weights(model: Network) -> int:
    return sum(part.size for part in (*model.core.weights, *model.core.biases))


def _columns(model: Model) -> Iterator[str]:
    """Yield the lines of a table of the columns, names at its end: they may be long."""
    schema = model.encoding.schema
    names = schema.names or [""] * len(schema.columns)
    rows = [
        [place, column.kind, column.dtype, len(column.levels) or "-", "yes" if column.missing else "no"]
        for place, column in enumerate(schema.columns)
    ]
    lines = format_table(["column", "kind", "dtype", "levels", "missing"], rows)
    for line, name in zip(lines, ["name", *names], strict=True):
        yield f"{line}  {printable(name)}".rstrip()
    if model.encoding.neighbors is not None:
        yield f"rows recur: {len(model.encoding.neighbors.rows)} distinct rows of training are in the model"
