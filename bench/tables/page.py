"""Generates the tables, the picture and the README's lines from the values of bench/tables.

Measured figures, simulated figures and those published by the student project are in separate tables. Speed-ups are
shown over SH and over ASH on one thread. ASH promotes other candidates than SH, often smaller networks, since those end
their jobs first. So ASH is faster than SH even on one thread, and this gain is not due to parallelism.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.figures import Line, Picture, Plot, Section, Table, Text, item_lines, verdict
from bench.tables import published
from bench.tables.settings import SETTINGS

NAMES = {"load_digits": "scikit-learn's digits", "optdigits": "the full optical digits"}
MOST_RATIO = 1.05  # required limit: a job's time on several threads divided by its time on one
VARIANTS = {"sh": "SH {}T", "ash": "ASH {}T", "teams": "ASH {}T, teams"}
Values = Mapping[str, Any]
Runs = Mapping[tuple[str, int], Any]  # recorded values by setting and number of models


def sections(values: Values) -> list[Section]:
    """Return the result tables for each recorded data table; the picture shows the first data table."""
    found: list[Section] = []
    for number, data in enumerate(dict.fromkeys(key.split(", ")[0] for key in values)):
        runs = runs_of(values, data)
        found.append(Text(f"### On {NAMES.get(data, data)}"))
        if runs:
            found += [speedups(runs), *([] if number else [picture(runs)]), wall_times(runs)]
            found += [job_times(runs, values.get(f"{data}, an epoch")), core_hours(runs)]
        found += _allocations(values.get(f"{data}, allocations"))
        found += [*_schedules(values.get(f"{data}, schedules")), *(simulations(runs) if runs else [])]
    return [*found, published_table()]


def runs_of(values: Values, data: str) -> Runs:
    """Return the values measured on a data table, sorted by setting and number of models."""
    keys = [key.split(", ") for key in values]
    named = [(of, int(models)) for own, of, models in (key for key in keys if len(key) == 3) if own == data]
    order = sorted(named, key=lambda pair: (SETTINGS.index(pair[0]), pair[1]))
    return {pair: values[f"{data}, {pair[0]}, {pair[1]}"] for pair in order}


def _names(runs: Runs) -> list[str]:
    """Return the names of all runs, such as "ash 2", sorted by number of threads."""
    names = {name for own in runs.values() for name in own["runs"]}
    return sorted(names, key=lambda name: (_threads(name), list(VARIANTS).index(name.split()[0])))


def _threads(name: str) -> int:
    return int(name.split()[1])


def _title(name: str) -> str:
    return VARIANTS[name.split()[0]].format(_threads(name))


def _row(pair: tuple[str, int]) -> str:
    return f"{pair[0]}, {pair[1]}"


def speedups(runs: Runs) -> Table:
    """Return the speed-up of each algorithm on several threads over the same algorithm on one thread."""

    def cell(line: Mapping[str, float] | None) -> str:
        if line is None:
            return ""
        return f"{line['median']:.2f} ({line['min']:.2f} to {line['max']:.2f})"

    several = [name for name in _names(runs) if _threads(name) > 1]
    rows = []
    for pair, own in runs.items():
        cells = [cell(own["runs"]["ash 1"]["over_sh"])]
        for name in several:
            base = "over_sh" if name.startswith("sh") else "over_ash"
            cells.append(cell(own["runs"].get(name, {}).get(base)))
        rows.append([_row(pair), *cells])
    header = ["setting, models", "ASH 1T over SH 1T", *(f"{_title(name)} over {_base(name)}" for name in several)]
    return Table(
        "Speed-up, measured",
        header,
        rows,
        "Medians of the rounds (minimum to maximum); a ratio is taken within a round. 2T: on two threads. The first "
        "column is no parallelism: ASH promotes other candidates than SH. Teams: a thread without a job helps in "
        f"another's. {_tests(runs)}",
    )


def _base(name: str) -> str:
    return "SH 1T" if name.startswith("sh") else "ASH 1T"


def _tests(runs: Runs) -> str:
    tests = ", ".join(f"{own['test']:.3f} ({_row(pair)})" for pair, own in runs.items() if "test" in own)
    return f"Test accuracy of the best network: {tests}." if tests else ""


def simulations(runs: Runs) -> list[Table]:
    """Return a table of the simulated speed-ups on thread counts that were not measured; [] if there are none."""
    threads = sorted({count for own in runs.values() for count in _simulated(own, "ash")})
    if not threads:
        return []
    rows = []
    for pair, own in runs.items():
        for name, line in (("SH", "sh"), ("ASH", "ash"), ("ASH, teams", "teams"), ("bound without teams", "bound")):
            rows.append([f"{_row(pair)}: {name}", *(_times(own, line, count) for count in threads)])
    note = (
        "Over SH 1T for SH, else over ASH 1T, as measured. Simulated by `Result.simulate` from what each job took on "
        "one thread; the bound is max(W/p, D), of the work W on p threads and the longest chain of jobs D. No figure "
        "here was measured, and nothing that disturbs threads that share a memory is in it."
    )
    return [Table("Speed-up, simulated", ["setting, models", *(f"{count}T" for count in threads)], rows, note)]


def _simulated(own: Any, line: str) -> dict[int, float]:
    """Return simulated seconds by number of threads; {} for results of the C++ program, which does not simulate."""
    return {int(threads): seconds for threads, seconds in own.get("simulated", {}).get(line, {}).items()}


def _times(own: Any, line: str, threads: int) -> str:
    seconds, base = _simulated(own, line).get(threads), "sh 1" if line == "sh" else "ash 1"
    return "" if seconds is None else f"{own['runs'][base]['wall']['median'] / seconds:.2f}"


def wall_times(runs: Runs) -> Table:
    """Return Table 2 in the student project's form: seconds, and speed-ups over SH on one thread."""
    names = _names(runs)
    rows = [
        [_row(pair), *(_seconds(own["runs"].get(name)) for name in names), str(own["rounds"])]
        for pair, own in runs.items()
    ]
    note = (
        "Medians of the rounds; in brackets how many times faster than SH on one thread, as the student project counts."
    )
    return Table("Table 2: wall time, measured", ["setting, models", *map(_title, names), "rounds"], rows, note)


def _seconds(run: Any) -> str:
    return "" if run is None else f"{run['wall']['median']:.3g} s ({run['over_sh']['median']:.2f}x)"


def job_times(runs: Runs, epoch: Any) -> Table:
    """Return Table 1 for the runs with the fewest models: mean job times by rung, on one and on the most threads."""
    least = min(models for _, models in runs)
    chosen = {setting: own for (setting, models), own in runs.items() if models == least}
    most = max(set.intersection(*({_threads(name) for name in own["runs"]} for own in chosen.values())))
    shown_runs = dict.fromkeys(("ash 1", f"ash {most}"))  # has only one name if only one thread was measured
    first = next(iter(chosen.values()))
    rows = []
    for rung, (epochs, jobs) in enumerate(zip(first["epochs"], first["jobs"], strict=True)):
        cells = []
        for own in chosen.values():
            cells += [f"{own['runs'][name]['job_ms'][rung]:.3g}" for name in shown_runs]
            ratio = own["runs"][f"ash {most}"]["job_ratio"][rung]
            cells += [f"{ratio:.2f}", verdict(ratio, "<=", MOST_RATIO if most > 1 else None)]
        rows.append([str(epochs), str(jobs), *cells, *(_published_job(rung) if least == 128 else ["", "", ""])])
    columns = [*(f"{_threads(name)}T ms" for name in shown_runs), "ratio", "required"]
    columns = [f"{setting}, {column}" for setting in chosen for column in columns]
    note = f"{least} models, ASH without teams; the student project's, in seconds, were SH on one thread and ASH on 4."
    if epoch:
        note += (
            f" One epoch of 64-64-10 takes {1e3 * epoch['seconds']['median']:.3g} ms on {epoch['rows']:,} rows, full "
            f"batch (published: {1e3 * published.EPOCH_SECONDS:g} ms on 3,823); its losses agree with those in double "
            f"precision to {epoch['difference']:.0e}."
        )
    header = ["epochs", "jobs", *columns, "published SH s", "ASH 4T s", "ratio"]
    return Table("Table 1: a job of each rung, measured", header, rows, note)


def _published_job(rung: int) -> list[str]:
    if rung >= len(published.JOB_SECONDS_SH):
        return ["", "", ""]
    alone, many = published.JOB_SECONDS_SH[rung], published.JOB_SECONDS_ASH_4[rung]
    return [f"{alone:g}", f"{many:g}", f"{many / alone:.2f}"]


def core_hours(runs: Runs) -> Table:
    """Return Table 3: threads times wall time."""
    names = [name for name in _names(runs) if not name.startswith("teams")]
    rows, total = [], 0.0
    for pair, own in runs.items():
        hours = [_hours(own["runs"].get(name), _threads(name)) for name in names]
        total += sum(hours)
        rows.append([_row(pair), *(f"{each:.2e}" if each else "" for each in hours)])
    note = f"Threads times wall time, without teams; {total:.3g} in all."
    return Table("Table 3: core hours, measured", ["setting, models", *map(_title, names)], rows, note)


def _hours(run: Any, threads: int) -> float:
    return 0.0 if run is None else threads * float(run["wall"]["median"]) / 3600


def published_table() -> Table:
    """Return the figures that the student project published in Tables 2 and 3."""
    threads = sorted(published.ASH_SECONDS[128])
    rows = []
    for models, seconds in published.ASH_SECONDS.items():
        base, hours = published.SH_SECONDS.get(models), published.CORE_HOURS_SH.get(models)
        own = [base, *(seconds[count] for count in threads)]
        cells = ["not finished" if each is None else f"{int(each // 60)}:{each % 60:05.2f}" for each in own]
        times = ["" if each is None or base is None else f"{base / each:.2f}" for each in own]
        all_hours = [hours, *(published.CORE_HOURS_ASH[models][count] for count in threads)]
        rows += [
            [f"{models}, min:s", *cells],
            [f"{models}, over SH 1T", *times],
            [f"{models}, core hours", *("" if each is None else f"{each:g}" for each in all_hours)],
        ]
    note = (
        "Roy Han, Evan Jiang: full-batch networks on the full optical digits, on their machine: compare ratios, not "
        "seconds. They have no ASH on one thread, so how much of a speed-up is parallelism cannot be told."
    )
    return Table("Published by the student project", ["models", "SH 1T", *(f"ASH {t}T" for t in threads)], rows, note)


def _schedules(found: Any) -> list[Section]:
    """Return the cost of the virtual clock: the reproducible schedule compared with the greedy one."""
    if not found:
        return []
    used = {name: f"{found['used'][name]['median']:.2f}" for name in ("reproducible", "greedy")}
    wall = found["wall"]
    lines = [
        f"On {found['threads']} threads the reproducible schedule takes {wall['median']:.2f} times as long as the "
        f"greedy one ({wall['min']:.2f} to {wall['max']:.2f}",
        f"over {found['seeds']} seeds, by the size of the networks that happen to be promoted). Its threads spend "
        f"{used['reproducible']} of their time in",
        f"jobs, those of the greedy one {used['greedy']}.",
    ]
    return [Text("\n".join(lines))]


def _allocations(found: Any) -> list[Section]:
    if not found:
        return []
    if "skipped" in found:
        return [Text(f"Bytes allocated: not measured, {found['skipped']}.")]
    rows = []
    for models, run in found.items():
        theirs, epochs = published.BYTES_ALLOCATED[int(models)], run["epochs"]
        rows.append(
            [
                *(models, str(run["trainings"]), str(epochs), f"{run['bytes'] / 1e6:.2f}", f"{theirs / 1e6:,.0f}"),
                *(
                    f"{theirs / run['bytes']:,.0f} x",
                    f"{run['bytes'] / epochs / 1e6:.3f}",
                    f"{theirs / epochs / 1e6:.0f}",
                ),
                *(f"{run['peak'] / 1e6:.2f}", f"{run['further_epoch']:g}", verdict(run["further_epoch"], "<=", 0)),
            ]
        )
    header = ["models", "trainings", "epochs", "MB", "published MB", "by ours", "MB per epoch", "published"]
    note = "The full-batch setting on one thread; further epoch: the bytes that one more epoch of a job allocates."
    return [Table("Bytes allocated", [*header, "held MB", "further epoch", "required"], rows, note)]


def picture(runs: Runs) -> Picture:
    """Return a picture of wall time and strong scaling by number of threads, with one row of panels per setting."""
    plots = []
    for setting in dict.fromkeys(setting for setting, _ in runs):
        own = {models: run for (of, models), run in runs.items() if of == setting}
        plots += [_wall_plot(setting, own), _scaling_plot(setting, min(own), own[min(own)])]
    note = "Solid lines are measured, dashed ones simulated, dotted ones published, dash-dotted ones bounds."
    return Picture("tables", plots, note)


def _measured(own: Any, variant: str, column: str) -> dict[float, float]:
    return {_threads(name): own["runs"][name][column]["median"] for name in own["runs"] if name.split()[0] == variant}


def _beyond(own: Any, line: str, base: float | None = None) -> dict[float, float]:
    """Return the simulated seconds, or speed-ups over `base`, for more threads than were measured."""
    most = max(map(_threads, own["runs"]))
    found = {count: seconds for count, seconds in _simulated(own, line).items() if count > most}
    return {count: seconds if base is None else base / seconds for count, seconds in found.items()}


def _joined(measured: Mapping[float, float], beyond: Mapping[float, float]) -> dict[float, float]:
    """Return the simulated points, preceded by the last measured point; {} if there are none."""
    return {max(measured): measured[max(measured)], **beyond} if beyond else {}


def _wall_plot(setting: str, runs: Mapping[int, Any]) -> Plot:
    lines = []
    for models, own in runs.items():
        for variant in ("sh", "ash"):
            measured = _measured(own, variant, "wall")
            lines.append(Line(f"{variant.upper()}, {models} models", measured))
            lines.append(Line("", _joined(measured, _beyond(own, variant)), "simulated"))
    kept = [line for line in lines if line.points]
    return Plot(f"Wall time, {setting}, without teams", "threads", "seconds", kept, ("x", "y"))


def _scaling_plot(setting: str, models: int, own: Any) -> Plot:
    sh, ash = (own["runs"][name]["wall"]["median"] for name in ("sh 1", "ash 1"))
    lines = []
    for variant, base, column in (("sh", sh, "over_sh"), ("ash", ash, "over_ash"), ("teams", ash, "over_ash")):
        measured = {1: 1.0, **_measured(own, variant, column)}
        lines.append(Line({"sh": "SH", "ash": "ASH", "teams": "ASH, teams"}[variant], measured))
        lines.append(Line("", _joined(measured, _beyond(own, variant, base)), "simulated"))
    threads = sorted({x for line in lines for x in line.points})
    theirs = {p: published.speedup(models, int(p)) for p in threads} if setting == "full-batch" else {}
    lines += [
        Line("bound of ASH without teams", {1: 1.0, **_beyond(own, "bound", ash)}, "bound"),
        Line("ideal", {p: p for p in threads}, "bound"),
        Line("published, over SH 1T", {p: times for p, times in theirs.items() if times is not None}, "published"),
    ]
    kept = [line for line in lines if line.points]
    title = f"Strong scaling, {setting}, {models} models"
    return Plot(title, "threads", "speed-up over itself on one thread", kept, ("x", "y"))


def readme(values: Values) -> Sequence[str]:
    """Return the README's line: the speed-up of ASH on the most threads measured."""
    runs = runs_of(values, "load_digits")
    most = max(_threads(name) for own in runs.values() for name in own["runs"])
    times = [own["runs"][f"{kind} {most}"]["over_ash"]["median"] for own in runs.values() for kind in ("ash", "teams")]
    return item_lines(
        f"On {most} threads a search is {min(times):.2f} to {max(times):.2f} times as fast as on one. To measure your "
        "own machine with 1, 2 and 4 threads: `OMP_NUM_THREADS=1,2,4 python -m bench tables`."
    )
