"""Implements `ash-tune show`, which describes a model file or a journal, even while a run writes to the journal."""

import argparse
import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ash._utils.display import counted, format_table, printable, show, show_params, show_seconds
from ash.cli.predict import load_model
from ash.cli.report import shown_decision
from ash.cli.streams import Parser, print_whole
from ash.encoding.table_summary import model_summary, table_lines
from ash.errors import JournalError
from ash.function.answers import FINISHED
from ash.history.records import STORY
from ash.journal.database import HEADER, Contents, contents_of
from ash.journal.journal import CANDIDATE, EPOCHS, LOSS, RUNG, SCORE, sound
from ash.journal.lock import holder
from ash.models.ensemble import Ensemble
from ash.models.model import Model
from ash.models.network import Network
from ash.models.trees import Trees
from ash.options import MINIMIZE, NEGATED
from ash.run_record import FUNCTION, RunRecord

ALLOWED = "FILE must be a model that ash-tune or the `save` of a model wrote, or a journal"
LABELS = 10  # the maximum number of labels that are listed

Job = tuple[Any, ...]


def show_parser() -> Parser:
    """Return the parser of `ash-tune show`."""
    parser = Parser(
        prog="ash-tune show",
        description="Print what a model of ash-tune is: task, layers, columns; or what a journal holds so far.",
    )
    parser.option("model", "FILE", "a model such as ash-tune-out/model.safetensors, or a journal")
    return parser


def show_file(args: argparse.Namespace) -> None:
    """Print the description of a model or journal."""
    lines = journal_lines(args.model) if _is_journal(args.model) else _model_lines(args.model)
    text = "\n".join(lines)
    print_whole(lambda stream: print(text, file=stream))


def _model_lines(path: str) -> Iterator[str]:
    model, content = load_model(path, ALLOWED), Path(path).read_bytes()
    members = model.members if isinstance(model, Ensemble) else (model,)
    facts = {
        "task": _task(model),
        "score": _scored(model),
        **({} if model.decision_weights is None else {"labels": shown_decision(model)}),
        "layers": _layers(members[0]) if len(members) == 1 else f"those of {len(members)} {_noun(members)}s, see below",
        "size": f"{_size(members)}, {len(content)} bytes",
        "sha256": hashlib.sha256(content).hexdigest(),
        "record": "none" if model.record is None else repr(model.record),
    }
    lines = [path, *(f"{name:8}{fact}" for name, fact in facts.items())]
    return map(printable, [*lines, "", *_hyperparameters(model), "", *_columns(model)])


def _hyperparameters(model: Network | Trees | Ensemble) -> list[str]:
    """Return lines with a model's hyperparameters; for an ensemble, return the lines of a table of its members."""
    if not isinstance(model, Ensemble):
        return show_params(model.params)
    rows = [
        [place, show(share), _score(member.validation_score), _numbers(member)]
        for place, (member, share) in enumerate(zip(model.members, model.weights.tolist(), strict=True))
    ]
    lines = format_table([_noun(model.members), "share", "score", "size"], rows)
    layers = ["layers", *map(_layers, model.members)]
    return [f"{line}  {layer}" for line, layer in zip(lines, layers, strict=True)]


def _task(model: Model) -> str:
    names = "" if model.target_names is None else f" of {', '.join(map(repr, model.target_names))}"
    if model.classes_ is None:
        return f"regression{names or f' of {model.n_outputs_} target(s)'}"
    labels = [str(label) for label in model.classes_[:LABELS]]
    more = ", ..." if len(model.classes_) > LABELS else ""
    return f"classification{names}, {len(model.classes_)} classes: {', '.join(labels)}{more}"


def _scored(model: Model) -> str:
    """Return the estimated score of a model, and its optimistic score on the rows by which it was selected."""
    validation = f"validation {model.metric} {_score(model.validation_score)}"
    return validation if math.isnan(model.estimated_score) else f"{model.shown_score()}, {validation}"


def _score(score: float) -> str:
    return "unknown" if math.isnan(score) else show(score)


def _noun(members: Sequence[Network | Trees]) -> str:
    return "network" if all(isinstance(member, Network) for member in members) else "member"


def _layers(model: Network | Trees) -> str:
    if isinstance(model, Trees):
        return f"{len(model.core.leaf_starts) - 1} boosted trees"
    widths = [model.encoding.features, *(len(bias) for bias in model.core.biases)]
    activations = ", ".join(dict.fromkeys(model.core.activations)) or "linear"
    return f"{'-'.join(map(str, widths))}, {activations}"


def _size(members: Sequence[Network | Trees]) -> str:
    weights = sum(_numbers(member) for member in members if isinstance(member, Network))
    leaves = sum(_numbers(member) for member in members if isinstance(member, Trees))
    sizes = {"weights and biases": weights, "leaves of trees": leaves}
    return ", ".join(f"{size} {what}" for what, size in sizes.items() if size)


def _numbers(model: Network | Trees) -> int:
    """Return the number of weights and biases of a network, or of leaves of trees."""
    if isinstance(model, Trees):
        return len(model.core.leaf_values)
    return sum(part.size for part in (*model.core.weights, *model.core.biases))


def _columns(model: Model) -> Iterator[str]:
    """Yield the lines of a table that describes the model's columns."""
    columns = tuple(model_summary(model.encoding))
    yield from table_lines(columns)
    if model.encoding.neighbors is not None:
        yield f"rows recur: the model holds {len(model.encoding.neighbors.rows)} distinct training rows"


def _is_journal(path: str) -> bool:
    """Return whether a file begins like an SQLite database."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(HEADER)) == HEADER
    except OSError:
        return False


def journal_lines(path: str) -> Iterator[str]:
    """Yield the lines that describe a journal, or raise JournalError if it cannot be read."""
    contents = contents_of(Path(path))
    yield path
    if "run" not in contents.facts:
        raise JournalError(f"{path} holds no run yet")
    with sound(Path(path)):
        yield from map(printable, _run_lines(path, contents))


def _run_lines(path: str, contents: Contents) -> Iterator[str]:
    facts, jobs = contents.facts, contents.rows["jobs"]
    settings = facts["run"]["settings"]
    by = holder(Path(f"{path}-lock"))
    ended = facts.get("ended")
    progress = facts.get("progress", {"training seconds": 0.0})
    state = f"ended: {ended}" if ended else "interrupted; the same call resumes it"
    yield f"state     {f'in use by {by}' if by else state}"
    yield f"started   {facts['begun']['date'][:19]} UTC by {facts['begun']['by']}, seed {settings['seed']}"
    yield _what(facts["run"])
    yield (
        f"finished  {counted(len(jobs), 'job')} of {counted(len({job[CANDIDATE] for job in jobs}), 'candidate')}, "
        f"{counted(sum(job[EPOCHS] for job in jobs), 'epoch')} in {show_seconds(progress['training seconds'])}"
    )
    yield _beside(contents)
    if facts.get("record"):
        yield f"record    {RunRecord.from_json(facts['record'])!r}"
    top = max((job[RUNG] for job in jobs if math.isfinite(float(job[SCORE]))), default=0)
    by_rung = settings["task"] == FUNCTION
    if not (best := _best([job for job in jobs if not by_rung or job[RUNG] == top])):
        return
    params: dict[int, str] = dict(contents.rows["candidates"])
    # The settings of a function's run have no "metric".
    metric = settings.get("metric", NEGATED if settings.get("direction") == MINIMIZE else "score")
    yield f"best      {metric} {show(float(best[SCORE]))} by candidate {best[CANDIDATE]} in rung {best[RUNG]}"
    yield ""
    winner = _suggested(contents, best) or json.loads(params[best[CANDIDATE]])
    yield from show_params({key: tuple(value) if isinstance(value, list) else value for key, value in winner.items()})
    yield ""
    yield from format_table(["rung", "epochs", "finished", f"best {metric}"], _ladder(jobs))


def _suggested(contents: Contents, best: Job) -> dict[str, Any]:
    """Return the hyperparameters that Optuna suggested in the best trial; empty for runs without Optuna."""
    for candidate, rung, kind, text, _ in contents.rows["answers"]:
        if (candidate, rung, kind) == (best[CANDIDATE], best[RUNG], FINISHED) and text:
            info = json.loads(text)
            return dict(info.get(STORY, {}).get("params", {})) if isinstance(info, dict) else {}
    return {}


def _what(run: dict[str, Any]) -> str:
    """Return a line about what the run trains: the name of a function, or the size of the data."""
    if run["settings"]["task"] == FUNCTION:
        return f"function  {run['settings']['function']}"
    data = run["data"]
    rows = " or ".join(map(str, sorted(set(data["training rows"]))))  # data["training rows"] has one number per fold
    return f"data      {data['columns of X']} columns, {rows} rows to train on"


def _beside(contents: Contents) -> str:
    """Return a line about the failed jobs of a function's run, or about the stored states of networks."""
    if contents.facts["run"]["settings"]["task"] == FUNCTION:
        kinds = Counter(row[2] for row in contents.rows["answers"] if row[2] != FINISHED)
        return f"failures  {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items())) or 'none'}"
    states = contents.rows["states"]
    files = {row[2]: row[3] for row in states}
    return f"states    {len(states)} in {len(files)} files, {sum(files.values()) / 1e6:.3g} MB"


def _best(jobs: list[Job]) -> Job | None:
    """Return the job with the highest score; ties go to the lower loss, then candidate number, then rung."""
    scored = [job for job in jobs if math.isfinite(float(job[SCORE])) and math.isfinite(float(job[LOSS]))]
    return min(scored, key=lambda job: (-float(job[SCORE]), float(job[LOSS]), job[CANDIDATE], job[RUNG]), default=None)


def _ladder(jobs: list[Job]) -> list[list[Any]]:
    rungs: dict[tuple[int, int], list[Job]] = defaultdict(list)
    for job in jobs:
        rungs[job[RUNG], job[EPOCHS]].append(job)
    rows = []
    for (rung, epochs), found in sorted(rungs.items()):
        best = _best(found)
        rows.append([rung, epochs, len(found), math.nan if best is None else float(best[SCORE])])
    return rows
