"""Fills the README's figures from bench/results, between its two marks; a test compares them.

python bench/readme.py
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- figures: python bench/readme.py -->\n", "<!-- end of figures -->"
WIDE = "64-256-256-10 @ 128"


def load(name: str) -> Any:
    return json.loads((ROOT / "bench" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def seconds(*lines: dict[str, Any]) -> str:
    """Return the median of a line, or the mean of the medians of several, by which bench/tune_digits.py divides."""
    return f"{statistics.mean(line['seconds']['median'] for line in lines):.3g} s"


def accuracy(line: dict[str, Any]) -> str:
    low, high = line["test"]["min"], line["test"]["max"]
    return f"{low:.4f}" if low == high else f"{low:.4f} .. {high:.4f}"


def space_rows(title: str, result: dict[str, Any]) -> list[str]:
    """Return the lines of one space: ours, and scikit-learn's with their time by ours."""
    ours = seconds(result["ash_before"], result["ash_after"])
    lines = [f"| {title} | ash | {ours} | | {accuracy(result['ash_after'])} |"]
    for key, name in (("scikit_learn", "one split, as ash"), ("scikit_learn_5_folds", "5 folds, its default")):
        line, ratio = result[key], result[f"ratio_{key}"]
        lines.append(f"| | scikit-learn, {name} | {seconds(line)} | {ratio:.3g} x | {accuracy(line)} |")
    return lines


def schedule_lines() -> list[str]:
    """Return what the virtual clock costs and what a team brings, on 2 threads."""
    compared = load("schedule")["results"]["schedules"]
    both = next(each for each in compared if each["place"] == "2 threads, teams" and each["seeds"] == "all seeds")
    steps = load("teams")["results"]["steps"]
    team = next(step for step in steps if step["case"] == f"{WIDE}, momentum" and step["threads"] == 2)
    return [
        "On 2 threads the reproducible schedule takes "
        f"{both['wall_ratio']['median']:.2f} times as long as the greedy one,",
        f"{both['wall_a_work_ratio']['median']:.2f} times for the same multiply-adds "
        "(`python bench/schedule.py`). That step, shared by a team of two, is",
        f"{team['speedup']['median']:.2f} times as fast as alone, {team['speedup']['min']:.2f} to "
        f"{team['speedup']['max']:.2f}: it depends on how far apart the cores are (`python bench/teams.py`).",
    ]


def figures() -> str:
    """Return the text between the marks."""
    tuned, steps = load("tune_digits")["results"], load("step")["results"]
    wide = next(step for step in steps if step["case"] == WIDE)
    lines = ["| space | tuner | time | by ours | test accuracy |", "|---|---|---|---|---|"]
    for title, result in tuned.items():
        if "scikit_learn" in result:
            lines += space_rows(title, result)
    lines += [
        "",
        "The smaller the networks, the more of a framework's time is overhead; with wide layers the gap closes to that",
        "of the matrix products. A step of 64-256-256-10 at batch 128 takes PyTorch on one thread "
        f"{wide['times_torch']['median']:.1f} times",
        "as long as ours (`python bench/step.py`).",
        "",
        *schedule_lines(),
    ]
    return "\n".join(lines) + "\n"


def filled(readme: str) -> str:
    """Return the README with the figures of bench/results."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + figures() + END + after


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
