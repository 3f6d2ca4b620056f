"""The command `ash-tune`: a table in, the best network out; and the commands that use, show or export one.

    read the table -> hold out a test part -> ash.tune on the rest -> write the files -> print the report

    --dask, mpiexec      cli_executor.py
    ash-tune predict     cli_predict.py
    ash-tune check       cli_repeat.py
    ash-tune repeat      cli_repeat.py
    ash-tune show        cli_show.py
    ash-tune export      cli_export.py

Exit status: 0 done; 2 an error, one line on stderr; 130 after Ctrl-C and 143 after SIGTERM, both with the files and the
report of what had finished by then. A reader that closes the pipe early is no error: the files are written first.
"""

import argparse
import contextlib
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from ash import _core
from ash.cli.cli_executor import add_executor_options, open_executor, threads_of
from ash.cli.cli_export import export, export_parser
from ash.cli.cli_predict import predict, predict_parser
from ash.cli.cli_repeat import Target, check, check_parser, held_out, repeat, repeat_parser
from ash.cli.cli_report import Report, print_report, write_files
from ash.cli.cli_show import show_file, show_parser
from ash.cli.cli_streams import FAILED, Parser, complain, in_words, print_whole, say, short_warnings
from ash.dashboard.dashboard import Dashboard
from ash.data.files import BUILT_IN, read_table
from ash.data.frames import check_numbers
from ash.errors import AshError, SettingError
from ash.ladder import ALGORITHMS
from ash.metrics import TASKS
from ash.options import AUTO, CONFIG_FIELDS, SCHEDULES, SearchConfig, option_names, option_table
from ash.run_record import COMMAND
from ash.tune import tune

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser, act = _COMMANDS.get(words[0] if words else "", (None, None))
    args = _parser().parse_args(words) if parser is None else parser().parse_args(words[1:])
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a label may be beyond the locale's encoding
    interruption = _Interruption()
    with interruption, short_warnings():
        try:
            if act is None:
                return _run(args, interruption)
            return act(args) or 0
        except KeyboardInterrupt:
            complain("stopped before there was anything to write")
            return interruption.status
        except (AshError, OSError, MemoryError) as error:
            complain(in_words(error))
            return FAILED


def _run(args: argparse.Namespace, interruption: "_Interruption") -> int:
    limits = (args.time_limit, args.epoch_limit, args.work_limit, args.stop_score)
    if args.candidates is None and all(limit is None for limit in limits):
        raise SettingError(
            "--candidates all never ends by itself: give --time-limit, --epoch-limit, --work-limit or --stop-score"
        )
    threads = threads_of(args)
    data = read_table(args.data, args.target)
    check_numbers(data.X, name=args.data)  # those of the test part too, before it takes time
    task = args.task or data.task
    whole, X, y, rest, test = held_out(data, task, args.seed)
    if task is None and not args.quiet and whole.classes_ is not None and data.y.dtype.kind in "iuf":
        say(
            f"ash-tune: the {len(whole.classes_)} numbers in {data.target!r} are taken as classes; "
            "--task regression predicts numbers"
        )
    options = {name: getattr(args, name) for name in option_names(caller="command")}
    fields = {name: options.pop(name) for name in CONFIG_FIELDS if name in options}
    with open_executor(args) as executor, contextlib.ExitStack() as shown:
        callbacks = []
        if args.dashboard is not None:
            callbacks.append(shown.enter_context(Dashboard(args.dashboard)))
            if not args.quiet:
                say(f"dashboard at {callbacks[0].address}")
        result = tune(
            X.take(rest),
            Target(y[rest], data.target),
            **{**options, "threads": threads, "task": whole.task},
            progress=not args.quiet,
            callbacks=callbacks,
            journal=args.journal,
            executor=executor,
            config=SearchConfig(**fields, keep=1),  # one network is saved
        )
        result.model.record = replace(result.record, by=COMMAND)
        test_score = result.model.score(X.take(test), y[test], result.metric)
        report = Report(args.data, data, result, len(rest), len(test), test_score, args.journal)
        files = write_files(report, Path(args.out), args.json)
        if not args.quiet:
            print_whole(lambda stream: print_report(report, files))
    return interruption.status if result.interrupted else 0


class _Interruption:
    """Turns SIGTERM into the KeyboardInterrupt that ends a run gracefully, and remembers which of the two it was.

    Only while the command runs, and only in the main thread: no other one may set handlers.
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


_COMMANDS: dict[str, tuple[Callable[[], argparse.ArgumentParser], Callable[[argparse.Namespace], int | None]]] = {
    "check": (check_parser, check),
    "export": (export_parser, export),
    "predict": (predict_parser, predict),
    "repeat": (repeat_parser, repeat),
    "show": (show_parser, show_file),
}
"""A file of such a name is meant by ./name."""


def _candidates(text: str) -> int | str | None:
    if text in ("all", AUTO):
        return None if text == "all" else AUTO
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number or 'all', got {text!r}") from None


def _bytes(text: str) -> int:
    """Return the bytes of a size such as 500M; the letters are powers of 1024."""
    found = re.fullmatch(r"(\d+)([KMGT]?)", text, re.ASCII | re.IGNORECASE)
    if found is None:
        raise argparse.ArgumentTypeError(f"a size must be bytes, or a number followed by K, M, G or T, got {text!r}")
    return int(found[1]) << 10 * " KMGT".index(found[2].upper() or " ")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ash-tune",
        description="Train many neural networks on a table by asynchronous successive halving and keep the best one.",
        epilog="See also --help of ash-tune predict, show, export, check and repeat. "
        "Exit status: 0 done, 2 error, 130 Ctrl-C, 143 SIGTERM (the last two write what had finished).",
    )
    parser.add_argument("data", metavar="DATA", help=f"a CSV (also .gz) or Parquet file, or {', '.join(BUILT_IN)}")
    parser.add_argument("--target", metavar="COLUMN", help="what to predict (default: 'target', else the last column)")
    parser.add_argument("--task", choices=TASKS, help="default: told from the target")
    parser.add_argument(
        "--candidates",
        type=_candidates,
        metavar="N",
        help="how many to try (default: 128, or as many as fit into --time-limit); 'all': an endless stream, until "
        "--time-limit, --epoch-limit, --work-limit or --stop-score",
    )
    parser.add_argument("--seed", type=int, metavar="S", help="of all that is random (default: 0)")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help="stop then, with what has finished")
    parser.add_argument("--epoch-limit", type=int, metavar="N", help="stop before all jobs together take more")
    parser.add_argument("--work-limit", type=float, metavar="N", help="stop after as many multiply-adds")
    parser.add_argument("--stop-score", type=float, metavar="SCORE", help="stop when a validation score reaches it")
    parser.add_argument("--algorithm", choices=ALGORITHMS, help="default: ash")
    parser.add_argument("--schedule", choices=SCHEDULES, help="default: reproducible")
    parser.add_argument("--workers", type=int, metavar="W", help="of that schedule (default: 32, or four per thread)")
    parser.add_argument("--threads", type=int, metavar="N", help="default: OMP_NUM_THREADS, else all CPUs allowed")
    add_executor_options(parser)
    parser.add_argument(
        "--teams", action=argparse.BooleanOptionalAction, help="whether threads without a job help others (default)"
    )
    parser.add_argument(
        "--memory-limit",
        type=_bytes,
        metavar="SIZE",
        help="for waiting candidates, as 500M or 2G (default: half of what is left)",
    )
    parser.add_argument("--out", default="ash-tune-out", metavar="DIR", help="where to write (default: %(default)s)")
    parser.add_argument(
        "--dashboard",
        type=int,
        nargs="?",
        const=0,
        metavar="PORT",
        help="show the run in the browser, to this machine only, while it goes on (default: a free port)",
    )
    parser.add_argument(
        "--journal",
        metavar="FILE",
        help="keep every result there at once; the same command again goes on from it, whatever has ended the first",
    )
    parser.add_argument("--json", metavar="FILE", help="write a summary for programs, too")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    version = _core.build_info()["version"]
    parser.add_argument("--version", action="version", version=f"ash-tune {version}")
    table = option_table()
    arguments = [name for name in option_names(caller="command") if name not in CONFIG_FIELDS]
    parser.set_defaults(**{name: table[name].default for name in arguments})
    return parser
