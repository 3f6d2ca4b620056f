"""The command `ash-tune`: fits an estimator to a table and writes its model. Subcommands use, show or export a model.

    read the table -> hold out a test part -> fit an estimator to the rest -> write the files -> print the report

    --dask, mpiexec      executor.py
    ash-tune predict     predict.py
    ash-tune check       repeat.py
    ash-tune repeat      repeat.py
    ash-tune show        show.py
    ash-tune export      export.py

Exit status: 0 for success; 1 if `check` or `repeat` finds a difference; 2 for an error, with one line on stderr, or
with the causes if every candidate diverged; 130 after Ctrl-C and 143 after SIGTERM. After an interruption, the files
and the report cover all jobs that had finished by then. Files are written before the report is printed, so they are
complete even if a reader closes the pipe early.
"""

import argparse
import contextlib
import math
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from numpy.typing import NDArray

from ash import _core
from ash._utils.machine import threads_of
from ash._utils.user_warnings import warn_user
from ash.cli.executor import add_executor_options, n_jobs_of, open_executor
from ash.cli.export import export, export_parser
from ash.cli.predict import predict, predict_parser
from ash.cli.repeat import HeldOut, check, check_parser, held_out, repeat, repeat_parser
from ash.cli.report import Report, check_outputs, print_report, write_files
from ash.cli.show import show_file, show_parser
from ash.cli.streams import (
    FAILED,
    Parser,
    add_format,
    complain,
    format_of,
    in_words,
    print_whole,
    say,
    short_warnings,
)
from ash.dashboard.dashboard import Dashboard
from ash.data.files import BUILT_IN, Roles, read_table
from ash.data.frames import checked_numbers
from ash.data.targets import positive_class, read_targets
from ash.errors import AshError, SettingError
from ash.ladder import ALGORITHMS
from ash.metrics import METRICS, POSITIVE, TASKS, native_metric
from ash.options import AUTO, CONFIG_FIELDS, SAMPLERS, SCHEDULES, SearchConfig, option_names, option_table

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments of the command line; by default those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser, act = _COMMANDS.get(words[0] if words else "", (None, None))
    args = _parser().parse_args(words) if parser is None else parser().parse_args(words[1:])
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # the locale's encoding may lack a label's characters
    interruption = _Interruption()
    with interruption, short_warnings():
        try:
            if act is None:
                return _run(args, interruption)
            return act(args) or 0
        except KeyboardInterrupt:
            complain("stopped before there was a result; nothing was written")
            return interruption.status
        except (AshError, OSError, MemoryError) as error:
            complain(in_words(error))
            return FAILED


def _run(args: argparse.Namespace, interruption: "_Interruption") -> int:
    from ash.sklearn import estimators  # imported late, since it imports scikit-learn

    _check(args)
    n_jobs = n_jobs_of(args)
    roles = Roles(args.target, args.groups, args.weight, args.ignore, args.categorical_features or ())
    data = read_table(args.data, roles, format_of(args))
    checked_numbers(data.X, name=args.data)  # before training; includes the rows of the test part
    part = held_out(data, args.task or data.task, args.seed)
    classes = part.table.classes_
    if classes is None and args.pos_label is not None:
        raise SettingError(f"--positive {args.pos_label} needs classes, but {data.target!r} has numbers to predict")
    if args.task is data.task is None and not args.quiet and classes is not None and data.y.dtype.kind in "iuf":
        say(
            f"ash-tune: the {len(classes)} numbers in {data.target!r} are treated as classes; "
            "pass --task regression to predict numbers"
        )
    is_resumed = args.journal is not None and Path(args.journal).exists() and Path(args.journal).stat().st_size > 0
    check_outputs(Path(args.out), args.json, args.force or is_resumed)
    with open_executor(args) as executor, contextlib.ExitStack() as shown:
        callbacks = []
        if args.dashboard is not None:
            callbacks.append(shown.enter_context(Dashboard(args.dashboard)))
            if not args.quiet:
                say(f"dashboard at {callbacks[0].address}")
        if n_jobs is not None and executor is None:
            n_jobs = threads_of("--threads", n_jobs)
        kind = estimators.ASHRegressor if classes is None else estimators.ASHClassifier
        estimator = kind(
            **{name: getattr(args, name) for name in ARGUMENTS},
            **({} if classes is None else {"pos_label": _positive(args.pos_label, classes, args.scoring)}),
            cv=args.cv,
            n_jobs=n_jobs,
            random_state=args.seed,
            verbose=0 if args.quiet else 2,
            callbacks=callbacks,
            executor=executor,
            config=SearchConfig(**{name: getattr(args, name) for name in CONFIG_FIELDS if hasattr(args, name)}),
        )
        with contextlib.suppress(KeyboardInterrupt):
            estimator.fit(part.X.take(part.rest), part.target(part.rest), part.weights(part.rest), part.groups)
        if not hasattr(estimator, "model_"):
            raise KeyboardInterrupt
        report = Report(args.data, part, estimator, _test_score(estimator, part, args), args.journal)
        files = write_files(report, Path(args.out), args.json)
        if not args.quiet:
            print_whole(lambda stream: print_report(report, files))
    return interruption.status if estimator.result_.interrupted else 0


ARGUMENTS = ("candidates", "time_limit", "first", "scoring", "categorical_features", "ensemble", "journal")
"""The parsed arguments of the command that the estimators take unchanged, under the same names."""


def _check(args: argparse.Namespace) -> None:
    """Raise SettingError, before any file is read, if the run would never end."""
    limits = (args.time_limit, args.max_total_epochs, args.work_limit, args.stop_score, args.patience)
    if args.candidates is None and all(limit is None for limit in limits):
        raise SettingError(
            "--candidates all never ends by itself: give --time-limit, --max-total-epochs, --work-limit, "
            "--stop-score or --patience"
        )


def _positive(text: str | None, classes: NDArray[Any], metric: str | None) -> Any:
    """Return the label that `text` spells; raise SettingError if it is none of two labels, or is needed but missing."""
    labels = {str(label): label for label in classes.tolist()}
    if text is None:
        if native_metric(metric) in POSITIVE and positive_class(classes, None) is None and len(labels) == 2:
            todo = " or ".join(f"--positive {label}" for label in labels)
            raise SettingError(f"--metric {metric} needs a positive class, and neither label is 1: give {todo}")
        return None
    if len(labels) != 2:
        raise SettingError(f"--positive {text} names one of two labels, but there are {len(labels)}: leave it out")
    if text not in labels:
        raise SettingError(f"--positive must be {' or '.join(labels)}, got {text}")
    return labels[text]


def _test_score(estimator: Any, part: HeldOut, args: argparse.Namespace) -> float:
    """Return the score on the test part in the run's metric; NaN if all its rows have weight 0 or scoring fails."""
    try:
        return _score(estimator, part, args)
    except Exception as error:  # the trained model must be written even then
        warn_user(f"no score of the test part: {in_words(error)}")
        return math.nan


def _score(estimator: Any, part: HeldOut, args: argparse.Namespace) -> float:
    X, y, weights = part.X.take(part.test), part.y[part.test], part.weights(part.test)
    metric, model = estimator.result_.metric, estimator.model_
    if weights is not None and not weights.any():
        return math.nan
    if metric in METRICS[part.table.task] and weights is None:
        return float(model.score(X, y, metric))
    if metric in METRICS[part.table.task] and weights is not None:
        outputs, counted = model.predict_frame(X), weights > 0
        targets = read_targets(y, len(outputs), model.classes_, model.n_outputs_)
        return float(model.score_outputs(metric, targets[counted], outputs[counted], weights[counted]))
    from ash.scoring.scorers import scorer_of, takes_weights

    scorer = scorer_of(args.scoring, getattr(estimator, "pos_label", None))
    more = {"sample_weight": weights} if weights is not None and takes_weights(scorer) else {}
    return float(scorer(estimator, X, y, **more))


class _Interruption:
    """Turns SIGTERM into KeyboardInterrupt, which ends a run gracefully, and remembers the exit status.

    The handler is set only while the command runs, and only in the main thread, since no other thread may set handlers.
    """

    def __init__(self) -> None:
        self.status = INTERRUPTED
        self._before: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._terminate)

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _terminate(self, number: int, frame: FrameType | None) -> NoReturn:
        self.status = TERMINATED
        raise KeyboardInterrupt


_COMMANDS: dict[str, tuple[Callable[[], Parser], Callable[[argparse.Namespace], int | None]]] = {
    "check": (check_parser, check),
    "export": (export_parser, export),
    "predict": (predict_parser, predict),
    "repeat": (repeat_parser, repeat),
    "show": (show_parser, show_file),
}
"""Subcommands. A table whose file has one of these names must be passed as ./name."""


def _candidates(text: str) -> int | str | None:
    if text in ("all", AUTO):
        return None if text == "all" else AUTO
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number or 'all', got {text!r}") from None


def _bytes(text: str) -> int:
    """Return the bytes of a size such as "500M"; the letters stand for powers of 1024."""
    found = re.fullmatch(r"(\d+)([KMGT]?)", text, re.ASCII | re.IGNORECASE)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"a size must be a number of bytes, or a number with K, M, G or T, got {text!r}"
        )
    return int(found[1]) << 10 * " KMGT".index(found[2].upper() or " ")


def _parser() -> Parser:
    parser = Parser(
        prog="ash-tune",
        description="Train many neural networks and boosted trees on a table by "
        "asynchronous successive halving, and write an ensemble of the best, as ASHClassifier and ASHRegressor do.",
        epilog="See also --help of ash-tune predict, show, export, check and repeat. "
        "Exit status: 0 done, 2 error, 130 Ctrl-C, 143 SIGTERM (the last two write the results so far).",
    )
    _add_columns(parser)
    add_format(parser)
    _add_search(parser)
    add_executor_options(parser)
    _add_files(parser)
    version = _core.build_info()["version"]
    parser.add_argument("--version", action="version", version=f"ash-tune {version}")
    table = option_table()
    arguments = [name for name in option_names(caller="command") if name not in CONFIG_FIELDS]
    parser.set_defaults(**{name: table[name].default for name in arguments})
    return parser


def _add_columns(parser: Parser) -> None:
    """Add the options for the roles of the table's columns."""
    parser.option("data", "DATA", f"a CSV (also .gz) or Parquet file, or {', '.join(BUILT_IN)}")
    parser.option("--target", "COLUMN", "what to predict (default: 'target', else the last column)")
    parser.add_argument("--task", choices=TASKS, help="default: guessed from the target")
    parser.option(
        "--positive",
        "LABEL",
        "of two labels, the positive one of f1, precision, recall and average precision (default: 1)",
        dest="pos_label",
    )
    parser.option(
        "--categorical",
        "COLUMN",
        "a column of numbers to treat as a category; may be given several times",
        action="append",
        dest="categorical_features",
    )
    parser.option("--ignore", "COLUMN", "a column to ignore; may be given several times", action="append", default=[])
    parser.option("--weight", "COLUMN", "a column of row weights, for training and scores")
    parser.option("--groups", "COLUMN", "a column of groups; rows of a group are never on both sides of a split")


def _add_search(parser: Parser) -> None:
    """Add the options of the search."""
    parser.option(
        "--metric",
        "NAME",
        "the scikit-learn scorer that ranks the candidates (default: accuracy, or r2)",
        dest="scoring",
    )
    parser.option("--cv", "N", "cross-validation with N folds (default: depends on the table)", int)
    parser.option("--ensemble", "N", "how many times a model is drawn for the ensemble (default: 16)", int, default=16)
    parser.option(
        "--candidates",
        "N",
        "how many to try (default: as many as fit into --time-limit or into a fixed amount of work); 'all': an "
        "endless stream, until --time-limit, --max-total-epochs, --work-limit, --stop-score or --patience",
        _candidates,
    )
    parser.option("--first", "FILE", "the journal of an earlier run: try its ten best configurations before all others")
    parser.option("--seed", "S", "random seed (default: 0)", int)
    parser.option("--time-limit", "SECONDS", "stop after this time and keep what has finished", float)
    parser.option("--max-total-epochs", "N", "stop after this many epochs, over all jobs", int)
    parser.option("--work-limit", "N", "stop after this many multiply-adds", float)
    parser.option("--stop-score", "SCORE", "stop when a validation score reaches this value", float)
    parser.option("--patience", "JOBS", "stop after this many jobs without a better score", int)
    parser.add_argument("--algorithm", choices=ALGORITHMS, help="default: ash")
    parser.add_argument("--sampler", choices=SAMPLERS, help="default: adaptive if the search is planned, else random")
    parser.add_argument("--schedule", choices=SCHEDULES, help="default: reproducible")
    parser.option("--virtual-workers", "W", "workers of the virtual clock (default: 32, or four per thread)", int)
    parser.option("--threads", "N", "default: OMP_NUM_THREADS, else all CPUs allowed", int)
    parser.add_argument(
        "--teams",
        action=argparse.BooleanOptionalAction,
        help="let threads without a job help with other jobs (default)",
    )
    parser.option(
        "--memory-limit",
        "SIZE",
        "for waiting candidates, such as 500M or 2G (default: half of the free memory)",
        _bytes,
    )


def _add_files(parser: Parser) -> None:
    """Add the options for output files and the display."""
    parser.add_argument("--force", action="store_true", help="overwrite the model of an earlier run in --out")
    parser.option("--out", "DIR", "where to write (default: %(default)s)", default="ash-tune-out")
    parser.option(
        "--dashboard",
        "PORT",
        "show the running search in a browser on this machine (default: a free port)",
        int,
        nargs="?",
        const=0,
    )
    parser.option(
        "--journal", "FILE", "write each result to this file within 50 ms; the same command resumes an interrupted run"
    )
    parser.option("--json", "FILE", "also write a machine-readable summary")
    parser.add_argument("--quiet", action="store_true", help="print warnings and errors only")
