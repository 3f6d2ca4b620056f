"""The seed's tables and figures out of the runs of a sweep, beside what it has published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import published
from bench.figures import ratios, shown, spread, verdict
from bench.sections import Line, Plot, Section, Table
from bench.tables_data import BARRIERS, Runs, Sweep, Variant

SH = Variant("sh", False, 1)
ALONE = Variant("ash", False, 1)
MOST_RATIO = 1.05  # of a job's time on several threads to that on one
PUBLISHED_NOTE = "Published: the student project, on its own machine; ratios compare, seconds do not."
SIMULATED_NOTE = "* simulated from what the jobs on one thread took."


def sections_of(sweep: Sweep, name: str) -> list[Section]:
    """Return all tables and plots; name begins the names of the plots' files."""
    found: list[Section] = []
    for setting in dict.fromkeys(setting for setting, _ in sweep.runs):
        runs = {models: own for (of, models), own in sweep.runs.items() if of == setting}
        title = f'setting "{setting}" on {sweep.data}'
        found += [
            wall_times(title, runs),
            spreads(title, runs),
            *speedups(title, runs),
            *job_times(title, runs),
            core_hours(title, runs),
        ]
        for models in sorted({min(runs), max(runs)}):
            found.append(scaling(f"{name}-{setting}-{models}", f"{title}, {models} models", models, runs[models]))
        found.append(wall_plot(f"{name}-{setting}-wall", title, runs))
    return found


def _columns(runs: Runs) -> Iterator[tuple[str, Variant]]:
    """Yield what Table 2 has in its columns: the variants measured, then those simulated."""
    measured = runs.threads()
    yield "SH 1T", SH
    for threads in measured:
        if threads > 1:
            yield f"SH {threads}T", Variant("sh", False, threads)
        yield f"ASH {threads}T", Variant("ash", False, threads)
        if threads > 1:
            yield f"ASH {threads}T, teams", Variant("ash", True, threads)
    for threads in _beyond(runs):
        yield f"ASH {threads}T*", Variant("ash", False, threads)
        yield f"{threads}T*, teams", Variant("ash", True, threads)


def _beyond(runs: Runs) -> list[int]:
    """Return the numbers of threads that were only simulated."""
    return [threads for threads in sorted(runs.lines.get("no teams", {})) if threads > max(runs.threads())]


def _seconds(runs: Runs, variant: Variant) -> float | None:
    if variant in runs.walls:
        return runs.wall(variant)
    return runs.simulated("teams" if variant.teams else "no teams", variant.threads)


def _speedup(runs: Runs, variant: Variant, base: Variant) -> float | None:
    """Return the median within rounds where it was measured, else by the median seconds."""
    if variant in runs.walls:
        return runs.speedup(variant, base)["median"]
    seconds = _seconds(runs, variant)
    return None if seconds is None else runs.wall(base) / seconds


def wall_times(title: str, runs: dict[int, Runs]) -> Table:
    """Return Table 2: seconds, and how many times faster than SH on one thread."""
    header = ["models", *(name for name, _ in _columns(next(iter(runs.values()))))]
    rows = []
    for models, own in runs.items():
        cells = []
        for _, variant in _columns(own):
            seconds, times = _seconds(own, variant), _speedup(own, variant, SH)
            cells.append("" if seconds is None or times is None else f"{seconds:.3g} s ({times:.2f}x)")
        rows.append([str(models), *cells])
        rows += _published_row(models, [name for name, _ in _columns(own)])
    tests = ", ".join(f"{own.test:.4f} of {models}" for models, own in runs.items() if own.test is not None)
    note = (
        "Median of the rounds, and times SH on one thread. ASH promotes others than SH, often smaller networks, since "
        f"those end first: ASH 1T shows how much of a speed-up is that. {SIMULATED_NOTE} {PUBLISHED_NOTE}"
    )
    return Table(
        f"Table 2, {title}: wall time", header, rows, f"{note} Test accuracy of the best: {tests}." if tests else note
    )


def _published_row(models: int, columns: Sequence[str]) -> list[list[str]]:
    """Return what the student project has for this number of models, if it has any."""
    if models not in published.ASH_SECONDS:
        return []
    base = published.SH_SECONDS.get(models)
    cells = {f"ASH {threads}T*": seconds for threads, seconds in published.ASH_SECONDS[models].items()}
    cells |= {f"ASH {threads}T": seconds for threads, seconds in published.ASH_SECONDS[models].items()}
    if base is not None:
        cells["SH 1T"] = base
    texts = [cells.get(column) for column in columns]
    return [[f"{models}, published", *("" if s is None else _minutes(s, base) for s in texts)]]


def _minutes(seconds: float, base: float | None) -> str:
    text = f"{int(seconds // 60)}:{seconds % 60:05.2f}"
    return text if base is None else f"{text} ({base / seconds:.2f}x)"


def spreads(title: str, runs: dict[int, Runs]) -> Table:
    """Return the spread of what was measured, over the rounds."""
    first = next(iter(runs.values()))
    columns = [(name, variant) for name, variant in _columns(first) if variant.threads in first.threads()]
    rows = [
        [str(models), *(shown(spread(own.walls[variant]), ".3g") for _, variant in columns), str(len(own.walls[SH]))]
        for models, own in runs.items()
    ]
    header = ["models", *(name for name, _ in columns), "rounds"]
    return Table(f"Seconds measured, {title}: minimum / median / maximum", header, rows)


def speedups(title: str, runs: dict[int, Runs]) -> list[Table]:
    """Return the speed-ups beside the published ones, which they must reach."""
    rows = []
    for models, own in runs.items():
        for threads in [*own.threads(), *_beyond(own)]:
            theirs = published.speedup(models, threads)
            if theirs is None:
                continue
            ours = [_speedup(own, Variant("ash", teams, threads), SH) for teams in (False, True)]
            kind = "measured" if threads in own.threads() else "simulated"
            cells = ["" if value is None else f"{value:.2f}" for value in ours]
            rows.append(
                [
                    f"{models} on {threads}",
                    kind,
                    *cells,
                    f"{theirs:.2f}",
                    verdict(ours[0] or 0.0, ">=", round(theirs, 2)),
                ]
            )
    header = ["models, threads", "ours is", "no teams", "teams", "published", "required"]
    return [Table(f"Speed-up of ASH over SH on one thread, {title}", header, rows, PUBLISHED_NOTE)] if rows else []


def job_times(title: str, runs: dict[int, Runs]) -> list[Table]:
    """Return Table 1 for the fewest models: seconds of a job by rung, on one thread and on the most measured."""
    models, own = next(iter(runs.items()))
    threads = max(own.threads())
    if threads == 1:
        return []
    many, team = Variant("ash", False, threads), Variant("ash", True, threads)
    rows = []
    for rung, epochs in own.rung_epochs.items():
        one, some, shared = ([jobs[rung] for jobs in own.jobs[variant]] for variant in (ALONE, many, team))
        ratio = ratios(some, one)
        cells = [f"{1e3 * spread(values)['median']:.3g}" for values in (one, some, shared)]
        theirs = _published_job(rung) if models == 128 else ["", "", ""]
        rows.append(
            [
                str(epochs),
                str(own.rung_jobs[rung]),
                *cells,
                shown(ratio),
                verdict(ratio["median"], "<=", MOST_RATIO),
                *theirs,
            ]
        )
    header = ["epochs", "jobs", "ms, 1T", f"ms, {threads}T", f"{threads}T, teams", "ratio min/med/max", "required"]
    note = f"Wall time of the average job; the ratio is that without teams. {PUBLISHED_NOTE}"
    return [
        Table(f"Table 1, {title}, {models} models: a job", [*header, "published SH s", "ASH 4T s", "ratio"], rows, note)
    ]


def _published_job(rung: int) -> list[str]:
    if rung >= len(published.JOB_SECONDS_SH):
        return ["", "", ""]
    alone, many = published.JOB_SECONDS_SH[rung], published.JOB_SECONDS_ASH_4[rung]
    return [f"{alone:g}", f"{many:g}", f"{many / alone:.2f}"]


def core_hours(title: str, runs: dict[int, Runs]) -> Table:
    """Return Table 3: threads times wall time."""
    first = next(iter(runs.values()))
    variants = [(name, variant) for name, variant in _columns(first) if not variant.teams]
    rows, total = [], 0.0
    for models, own in runs.items():
        cells = []
        for _, variant in variants:
            hours = variant.threads * (_seconds(own, variant) or 0.0) / 3600
            total += hours if variant in own.walls else 0.0
            cells.append(f"{hours:.2e}" if hours else "")
        rows.append([str(models), *cells])
        hours_of = {
            f"ASH {t}T{mark}": h for t, h in published.CORE_HOURS_ASH.get(models, {}).items() for mark in ("", "*")
        }
        hours_of |= {"SH 1T": published.CORE_HOURS_SH[models]} if models in published.CORE_HOURS_SH else {}
        if hours_of:
            rows.append([f"{models}, published", *(f"{hours_of[n]:g}" if n in hours_of else "" for n, _ in variants)])
    note = (
        f"Threads times wall time, without teams; {total:.3g} of them were measured. {SIMULATED_NOTE} {PUBLISHED_NOTE}"
    )
    return Table(f"Table 3, {title}: core hours", ["models", *(name for name, _ in variants)], rows, note)


def scaling(name: str, title: str, models: int, own: Runs) -> Plot:
    """Return the figure of strong scaling: how many times faster than ASH on one thread."""
    base, threads = own.wall(ALONE), [*own.threads(), *_beyond(own)]

    def simulated(line: str) -> dict[float, float]:
        found = {p: own.simulated(line, p) for p in threads}
        return {p: base / seconds for p, seconds in found.items() if seconds is not None}

    def measured(algorithm: str, teams: bool) -> dict[float, float]:
        variants = {
            v.threads: v for v in own.walls if v.algorithm == algorithm and (v.teams == teams or v.threads == 1)
        }
        return {p: own.speedup(variants[p], ALONE)["median"] for p in sorted(variants)}

    theirs = {p: published.speedup(models, p) for p in threads}
    lines = [
        Line("ideal", {p: p for p in threads}, "bound"),
        Line("W/p", simulated("W/p"), "bound"),
        Line("max(W/p, D)", simulated("max(W/p, D)"), "bound"),
        Line("SH with barriers, simulated", simulated(BARRIERS), "simulated"),
        Line("ASH without teams, simulated", simulated("no teams"), "simulated"),
        Line("ASH with teams, simulated", simulated("teams"), "simulated"),
        Line("SH, measured", measured("sh", False)),
        Line("ASH without teams, measured", measured("ash", False)),
        Line("ASH with teams, measured", measured("ash", True)),
        Line("ASH over SH, published", {p: value for p, value in theirs.items() if value is not None}, "published"),
    ]
    kept = [line for line in lines if line.points]
    return Plot(name, f"Strong scaling, {title}", "threads", "speed-up over ASH on one thread", kept, ("x", "y"))


def wall_plot(name: str, title: str, runs: dict[int, Runs]) -> Plot:
    """Return the figure of SH against ASH: seconds by threads."""
    lines = []
    for models, own in runs.items():
        threads = [*own.threads(), *_beyond(own)]
        for label, algorithm, line in (("SH", "sh", BARRIERS), ("ASH", "ash", "no teams")):
            seconds = {p: _wall(own, Variant(algorithm, False, p), line) for p in threads}
            measured = {p: seconds[p] for p in own.threads()}
            beyond = {p: seconds[p] for p in [max(measured), *_beyond(own)]}
            lines += [Line(f"{label}, {models}", measured), Line("", beyond, "simulated")]
    note = "Without teams. Solid: measured, up to the cores of this machine; dashed: simulated beyond."
    return Plot(name, f"SH against ASH, {title}", "threads", "seconds", lines, ("x", "y"), note)


def _wall(own: Runs, variant: Variant, line: str) -> float:
    if variant in own.walls:
        return own.wall(variant)
    seconds = own.simulated(line, variant.threads)
    assert seconds is not None  # both lines are simulated for the same threads
    return seconds
