"""One training step against the processor's FMA peak, PyTorch, scikit-learn and JAX, on one thread each.

A step is what training does over and over: gather the rows of a batch, forward, softmax cross-entropy, backward, SGD
with momentum. First the weights after one and three steps must agree to 1e-5 with a plain numpy network in double
precision and with every library that is installed. Then rounds: in each the peak, our steps and theirs are measured
one after the other, each the best of a few short stretches, so that neither a disturbed moment nor a busy machine
favours one of them; ratios are taken within a round.

Multiply-adds of a step: batch * weights forward, the same for the gradient of the weights, and for the gradient of the
inputs of every layer but the first.

What a time holds, and whom that favours: everything between two updates, shuffling once an epoch included. PyTorch is
called as in its tutorials, several Python calls a step. scikit-learn is measured in whole epochs of `partial_fit`, so
its checks of arguments are shared by 32 to 128 steps; for two classes it has one output, not two. JAX appears twice:
one compiled call a step, as most write it, and one compiled call an epoch, the fastest way that it offers. The smaller
the network, the more of a framework's time is overhead; with wide layers what counts is the matrix product.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from bench.child import call
from bench.figures import shown, verdict
from bench.sections import Line, Plot, Section, Table
from bench.step_run import ENVIRONMENT, NETWORKS
from bench.suite import Bench, Case, Options

ROUNDS, QUICK_ROUNDS = 15, 2
QUICK = ("64-64-10 @ 32",)
LABELS = {"torch": "PyTorch", "sklearn": "scikit-learn", "jax": "JAX", "jax_epoch": "JAX, an epoch a call"}


def _measure(network: str, rounds: int) -> Any:
    return call("bench.step_run", "measure", {"network": network, "rounds": rounds}, ENVIRONMENT)


def _difference(result: Mapping[str, Any]) -> str:
    return f"{max(value for value in result['differences'].values() if value is not None):.0e}"


def _peak_table(results: Sequence[Mapping[str, Any]]) -> Table:
    header = ["step", "ash us", "peak GFLOP/s", "% of peak", "required", "largest difference"]
    rows = [
        [
            result["case"],
            shown(result["ash_us"], ".1f"),
            f"{result['peak_gflops']['median']:.0f}",
            shown(result["percent_of_peak"], ".0f"),
            verdict(result["percent_of_peak"]["median"], ">=", result["required_percent"]),
            _difference(result),
        ]
        for result in results
    ]
    note = (
        "Minimum / median / maximum. Largest difference: of any weight after 3 steps, to a double-precision network "
        "and to every library below (required: 1e-5)."
    )
    return Table("A training step, share of the FMA peak", header, rows, note)


def _peer_cells(result: Mapping[str, Any], peer: str) -> list[str]:
    if result[f"{peer}_us"] is None:
        return ["not installed", "-"]
    return [f"{result[f'{peer}_us']['median']:.1f}", shown(result[f"times_{peer}"], ".1f")]


def _peers_table(results: Sequence[Mapping[str, Any]]) -> Table:
    times = [text for label in LABELS.values() for text in (f"{label} us", "times ours")]
    rows = []
    for result in results:
        torch, *others = (_peer_cells(result, peer) for peer in LABELS)
        ratio, required = result["times_torch"], result["required_times"]
        held = verdict(ratio["median"], ">=", required) if ratio else "-"
        cells = [cell for other in others for cell in other]
        rows.append([result["case"], f"{result['ash_us']['median']:.1f}", *torch, held, *cells])
    header = ["step", "ash us", *times[:2], "required", *times[2:]]
    note = (
        "Microseconds are medians; times ours: minimum / median / maximum. scikit-learn's network for two classes is "
        "another one: timed, not compared. What is missing: pip install '.[bench]'."
    )
    return Table("The same step elsewhere, one thread each", header, rows, note)


def _plot(results: Sequence[Mapping[str, Any]]) -> Plot:
    lines = []
    for peer, label in LABELS.items():
        found = [result for result in results if result[f"times_{peer}"] is not None]
        if found:
            lines.append(Line(label, {r["operations"] / 1e6: r[f"times_{peer}"]["median"] for r in found}))
    title = "Time of a training step by ours, one thread"
    return Plot("step-times", title, "floating-point operations a step, 1e6", "times ours", lines, ("x", "y"))


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return shares of the peak, ratios to the others, and these ratios over the size of a step."""
    found = list(results.values())
    return [_peak_table(found), _peers_table(found), _plot(found)]


def bench(options: Options) -> Bench:
    """Return the bench; each case checks its own answers, in the process that then measures."""
    networks = QUICK if options.quick else tuple(NETWORKS)
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    cases = [Case(network, functools.partial(_measure, network, rounds)) for network in networks]
    packages = ("torch", "scikit-learn", "jax", "jaxlib")
    return Bench(cases, sections, packages=packages)
