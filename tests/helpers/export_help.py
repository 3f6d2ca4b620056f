"""Helpers for tests of exports: tables of all kinds, and functions that run exported models in other programs."""

import datetime
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

import needs
from ash.data.dates import days_of_objects
from ash.export.description import describe

MISSING = "<missing>"
"""The text that stands for a missing category in these ONNX tests."""
TOLERANCE = 1e-5
HOSTILE = ('"quoted"', "back\\slash", "??=??/", "ümläut 漢字", "", " ", "new\nline", "nul\0", "*/ int main() {")
"""Levels and names that must be escaped in generated code."""
WARNINGS = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wconversion", "-Wdouble-promotion")

DRIVER = """
#include "model.hpp"
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

int main() {
    MODEL::Row row{};
    MODEL::Outputs outputs{};
    std::size_t place = 0;
    for (std::string cell; std::getline(std::cin, cell);) {
        std::string text;
        for (std::size_t i = 1; i + 1 < cell.size(); i += 2)
            text += static_cast<char>(std::strtol(cell.substr(i, 2).c_str(), nullptr, 16));
        row[place] = cell[0] == 't' ? MODEL::level(place, text)
                     : cell == "m"  ? MODEL::kMissing
                                    : std::strtod(cell.c_str() + 1, nullptr);
        if (++place < MODEL::kColumns) continue;
        place = 0;
        if (MODEL::predict(row, outputs)) {
            for (const double output : outputs) std::printf("%.17g ", output);
            std::printf("%zu", MODEL::decide(outputs));
        }
        std::puts("");
    }
}
"""


def mixed_frame(rows: int, seed: int = 0) -> Any:
    """Return a frame with numbers, gaps, booleans, numeric levels, categories (few and many levels) and odd names."""
    random = np.random.default_rng(seed)
    cities = random.geometric(0.04, rows).tolist()
    return pandas.DataFrame(
        {
            "age": np.where(random.random(rows) < 0.1, np.nan, random.normal(40, 10, rows)),
            "label": random.choice(np.array(HOSTILE, object), rows),
            HOSTILE[0] + HOSTILE[1] + HOSTILE[2]: [None if city == 3 else f"çity {city}" for city in cities],
            "gain": np.where(random.random(rows) < 0.8, 0.0, random.integers(1, 200, rows) * 37.0),
            HOSTILE[-1]: random.random(rows) < 0.5,
            "count": random.integers(0, 9, rows),
            HOSTILE[3]: pandas.Categorical([None if i == 2 else "xyz"[i] for i in random.integers(0, 3, rows)]),
        }
    )


def mixed_y(frame: Any) -> NDArray[Any]:
    """Return labels that depend on several columns of a `mixed_frame`."""
    score = frame["age"].fillna(40) + 9 * (frame["label"] == HOSTILE[0]) + frame["gain"] / 100
    noise = 3 * np.random.default_rng(1).normal(size=len(frame))
    return np.where(score + noise > 45, "yés", 'n"o')


def odd_rows() -> Any:
    """Return rows of a `mixed_frame` with new kinds of cells: unseen levels, new gaps, outliers, a negative zero."""
    frame = mixed_frame(40, seed=9)
    city = frame.columns[2]
    frame.loc[0, "label"], frame.loc[1, city], frame.loc[2, "age"], frame.loc[3, "age"] = "néw", "", 1e30, -3e38
    frame.loc[4, "gain"], frame.loc[5, "gain"], frame.loc[6, "gain"], frame.loc[7, "label"] = -0.0, np.nan, 1.5, None
    frame.loc[8, "age"] = np.nan
    frame["count"] = frame["count"].astype("float64")
    frame.loc[9, "count"] = np.nan  # the column had no gaps in training
    return frame


def check_outputs(model: Any, outputs: Any, X: Any) -> None:
    """Assert that outputs [rows, outputs] equal a model's probabilities, or its predictions in the units of y.

    The allowed error of a prediction is relative to the scale of y in training, or to the prediction's distance from
    the mean if that is larger. For a logarithmic target, the stored scale is a factor, so it is multiplied by the
    mean.
    """
    outputs = np.asarray(outputs)
    if model.classes_ is not None:
        own = model.predict_proba(X)
        assert outputs.shape == own.shape and np.abs(outputs - own).max() < TOLERANCE
        return
    cores = [member.core for member, _ in model.weighted_members()]
    scale = np.max([core.target_scale * (core.target_mean if core.exponential else 1) for core in cores], axis=0)
    own = model.predict(X).reshape(len(X), -1)
    errors = np.abs(outputs - own) / np.maximum(scale, np.abs(own - cores[0].target_mean))
    assert outputs.shape == own.shape and errors.max() < TOLERANCE


def check_labels(model: Any, labels: Any, X: Any) -> None:
    """Assert that a model predicts these labels, except for rows in which two classes are equally good."""
    weights = 1.0 if model.decision_weights is None else model.decision_weights / model.decision_weights.max()
    good = np.sort(model.predict_proba(X) * weights, axis=1)
    is_clear = good[:, -1] - good[:, -2] > TOLERANCE
    assert is_clear.mean() > 0.9 and (np.asarray(labels) == model.predict(X))[is_clear].all()


def cells(X: Any) -> list[list[Any]]:
    """Return a table's cells: None if missing, text unchanged, numbers as float, and dates as days since 1970-01-01."""
    rows = X.to_numpy(dtype=object) if hasattr(X, "to_numpy") else np.asarray(X, object)
    return [[_cell(cell) for cell in row] for row in rows]


def _cell(cell: Any) -> str | float | None:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, datetime.date):
        return float(days_of_objects([cell])[0])
    return None if cell is None or math.isnan(cell) else float(cell)


def feeds(model: Any, X: Any) -> dict[str, NDArray[Any]]:
    """Return the inputs of an exported ONNX graph for a table."""
    from ash.export.onnx import input_names

    description, rows = describe(model), cells(X)
    if description.is_numeric:
        numbers = [[math.nan if cell is None else cell for cell in row] for row in rows]
        return {"X": np.array(numbers, np.float64).reshape(len(rows), len(description.inputs))}
    inputs = {}
    for place, (name, given) in enumerate(zip(input_names(description), description.inputs, strict=True)):
        nothing, dtype = (MISSING, object) if given.is_text else (math.nan, np.float64)
        values = [nothing if row[place] is None else row[place] for row in rows]
        inputs[name] = np.array(values, dtype).reshape(len(rows), 1)
    return inputs


COMPILERS = {"g++": ("g++",), "clang++": ("clang++", "clang++-19")}
"""The possible commands of each C++ compiler."""


def compiler(name: str = "g++") -> str:
    """Return the path of a C++ compiler, or skip the test if there is none."""
    return needs.program(*COMPILERS[name])


def compile_header(folder: Path, name: str, *flags: str, namespace: str = "model") -> Path:
    """Compile the driver with folder/model.hpp, treating warnings as errors, and return the program's path."""
    (folder / "main.cpp").write_text(DRIVER.replace("MODEL", namespace), encoding="ascii")
    program = folder / f"program-{name}"
    command = [compiler(name), *WARNINGS, *flags, "-o", str(program), str(folder / "main.cpp")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return program


def run_program(program: Path, X: Any) -> list[list[float]]:
    """Run the driver on a table; return the outputs and decision for each row, or [] if the model refuses the row."""
    lines = []
    for cell in (cell for row in cells(X) for cell in row):
        if isinstance(cell, str):
            lines.append("t" + cell.encode("utf-8", "surrogatepass").hex())
        else:
            lines.append("m" if cell is None else f"n{cell!r}")
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run([str(program)], input=text, capture_output=True, text=True, check=True)
    return [list(map(float, line.split())) for line in done.stdout.splitlines()]
