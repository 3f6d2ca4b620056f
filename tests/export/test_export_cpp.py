"""Tests models exported as C++ headers: compiled with warnings as errors, and compared with the model's predictions."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ash
from ash.encoding.encoding import Encoding
from ash.encoding.schema import ColumnSchema, Schema
from ash.export.cpp import floating
from ash.space.hyperparameters import ACTIVATIONS
from export_help import COMPILERS, HOSTILE, WARNINGS, check_labels, check_outputs, compile_header, compiler, run_program
from export_random import (
    LABELS,
    around,
    decided,
    random_ensemble,
    random_mixture,
    random_network,
    random_rows,
    random_trees,
    two_leaves,
)

pytestmark = pytest.mark.filterwarnings("ignore:X holds infinite numbers")


def check(model: Any, program: Path, X: Any) -> None:
    printed = np.array(run_program(program, X))
    outputs, decided = printed[:, :-1], printed[:, -1].astype(int)
    check_outputs(model, outputs, X)
    if model.classes_ is not None:
        check_labels(model, model.classes_[decided], X)


@pytest.mark.parametrize("seed", range(8))
def test_networks_of_every_kind_are_exported(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    several = {"classes": [None, 2][seed // 4], "scalings": 1 + seed // 4}
    model = random_ensemble(random, **several) if seed % 4 == 0 else random_network(random)
    model.to_cpp(tmp_path / "model.hpp")
    program = compile_header(tmp_path, list(COMPILERS)[seed % 2], ("-O0", "-O2", "-O3")[seed % 3])
    check(model, program, random_rows(random, model, 100))


@pytest.mark.parametrize("seed", range(8))
def test_trees_of_every_kind_are_exported(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    classes = [None, 0, 5][seed % 3]
    model = (random_mixture if seed % 4 == 0 else random_trees)(random, classes=classes)
    model.to_cpp(tmp_path / "model.hpp")
    program = compile_header(tmp_path, list(COMPILERS)[seed % 2], ("-O0", "-O2", "-O3")[seed % 3])
    check(model, program, random_rows(random, model, 100))


@pytest.mark.parametrize("classes", [0, 3])
def test_a_tuned_decision_and_shifted_scores_are_exported(classes: int, tmp_path: Path) -> None:
    model = decided(random_mixture(np.random.default_rng(2), classes=classes))
    model.to_cpp(tmp_path / "model.hpp")
    check(model, compile_header(tmp_path, "g++", "-O1"), random_rows(np.random.default_rng(3), model, 100))


@pytest.mark.parametrize("name", COMPILERS)
@pytest.mark.parametrize("make", [random_ensemble, random_mixture])
def test_networks_with_different_input_scalings_are_exported(make: Any, name: str, tmp_path: Path) -> None:
    """Use an ensemble in which members with the same scaling are not adjacent."""
    random = np.random.default_rng(list(COMPILERS).index(name))
    model = make(random, classes=[None, 0][make is random_mixture], scalings=2)
    model.to_cpp(tmp_path / "model.hpp")
    check(model, compile_header(tmp_path, name, "-O2"), random_rows(random, model, 100))


@pytest.mark.parametrize("make", [random_ensemble, random_mixture])
def test_members_with_the_statistics_of_several_folds_are_exported(make: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    model = make(random, classes=[None, 0][make is random_mixture], scalings=2, folds=True)
    assert len(model.encodings) == 2 and any(table is not None for table in model.encoding.statistics)
    model.to_cpp(tmp_path / "model.hpp")
    check(model, compile_header(tmp_path, "g++", "-O1"), random_rows(random, model, 100))


@pytest.mark.parametrize("missing", ["as zero", "left", "right"])
def test_thresholds_are_compared_in_double(missing: str, tmp_path: Path) -> None:
    trees, X = two_leaves(0.1, missing), around(0.1)
    trees.to_cpp(tmp_path / "model.hpp")
    printed = run_program(compile_header(tmp_path, "g++"), X)
    assert [line[0] for line in printed] == trees.predict(X).tolist()


@pytest.mark.parametrize("name", COMPILERS)
def test_every_activation_is_exported_with_and_without_learned_shares(name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    model = random_ensemble(random, activations=list(ACTIVATIONS), classes=None)
    model.to_cpp(tmp_path / "model.hpp", namespace="shop::price")
    program = compile_header(tmp_path, name, "-O2", namespace="shop::price")
    check(model, program, random_rows(random, model, 100))


@pytest.mark.parametrize("make", [random_network, random_trees, random_mixture])
def test_rows_that_predict_refuses_return_false(make: Any, tmp_path: Path) -> None:
    columns = (ColumnSchema("number", "float64"), ColumnSchema("category", "str", ("a", "b")))
    encoding = Encoding(Schema(columns, None, missing="error", unknown="error"), (None, None), ())
    make(np.random.default_rng(5), encoding=encoding, classes=0).to_cpp(tmp_path / "model.hpp")
    rows = [[1.0, "a"], [None, "a"], [1.0, None], [1.0, "c"], [1e999, "a"], [-1e39, "b"], [9.0, "b"]]
    printed = run_program(compile_header(tmp_path, "g++"), np.array(rows, object))
    assert [len(line) for line in printed] == [3, 0, 0, 0, 0, 0, 3]


_PRINTED = {"b": ("bool", "%d"), "i": ("std::int64_t", "%ld"), "u": ("std::uint64_t", "%lu"), "f": ("double", "%a")}


def run_main(folder: Path, body: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Compile and run a program that includes folder/model.hpp."""
    (folder / "main.cpp").write_text(f'#include "model.hpp"\n#include <cstdio>\nint main() {{ {body} }}\n')
    command = [compiler(), *WARNINGS, *flags, "-o", str(folder / "main"), str(folder / "main.cpp")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done if done.returncode else subprocess.run([str(folder / "main")], capture_output=True, text=True)


def test_text_from_users_is_preserved_byte_by_byte(tmp_path: Path) -> None:
    names = (*HOSTILE, "\udcff", "age")
    columns = tuple(ColumnSchema("category", "str", tuple(sorted([*HOSTILE, f"{n}"]))) for n in range(len(names)))
    encoding = Encoding(Schema(columns, names), (None,) * len(names), ())
    network = random_network(np.random.default_rng(5), encoding=encoding, classes=1)
    network.to_cpp(tmp_path / "model.hpp")
    assert (tmp_path / "model.hpp").read_bytes().isascii()
    printing = (
        "const auto print = [](std::string_view text) { for (const char c : text) "
        'std::printf("%02x", static_cast<unsigned>(static_cast<unsigned char>(c))); std::puts(""); };'
        "for (const auto name : model::kColumnNames) print(name);"
        "for (const auto label : model::kClasses) print(label);"
        'static_assert(model::column("age") == model::kColumns - 1 && model::column("Age") == model::kColumns);'
        "for (std::size_t i = 0; i < model::detail::kTable[0].levels; ++i) print(model::detail::kTable[0].texts[i]);"
    )
    lines = [bytes.fromhex(line) for line in run_main(tmp_path, printing).stdout.split("\n")[:-1]]
    texts = [*names, *network.classes_, *columns[0].levels]
    assert [line.decode("utf-8", "surrogatepass") for line in lines] == texts


@pytest.mark.parametrize("labels", [2, 3, 4, 5])
def test_labels_keep_their_type(labels: int, tmp_path: Path) -> None:
    network = random_network(np.random.default_rng(5), classes=labels)
    network.to_cpp(tmp_path / "model.hpp")
    kind, form = _PRINTED[LABELS[labels].dtype.kind]
    same = f"static_assert(std::is_same_v<std::decay_t<decltype(model::kClasses[0])>, {kind}>);"
    printed = run_main(tmp_path, f'{same} for (auto label : model::kClasses) std::printf("{form}\\n", label);')
    read = float.fromhex if kind == "double" else int
    assert [read(line) for line in printed.stdout.split()] == LABELS[labels].tolist()


def test_two_models_fit_in_one_program_and_allocate_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for name, make in (("one", random_ensemble), ("two", random_mixture)):
        make(random, plain=False, scalings=2).to_cpp(tmp_path / f"{name}.hpp", namespace=name)
    (tmp_path / "model.hpp").write_text(
        '#include "one.hpp"\n#include "two.hpp"\n#include <cstdlib>\n#include <new>\n'
        "namespace { long allocations = 0; }\n"
        "void* operator new(std::size_t size) { ++allocations; return std::malloc(size); }\n"
        "void operator delete(void* place) noexcept { std::free(place); }\n"
        "void operator delete(void* place, std::size_t) noexcept { std::free(place); }\n"
    )
    calls = "".join(
        f"{name}::Row {name}_row{{}}; {name}::Outputs {name}_outputs{{}};"
        f'{name}_row[0] = {name}::level(0, "x"); if (!{name}::predict({name}_row, {name}_outputs)) return 1;'
        for name in ("one", "two")
    )
    assert run_main(tmp_path, f'{calls} std::printf("%ld", allocations);').stdout == "0"


def test_fast_math_is_refused(tmp_path: Path) -> None:
    random_network(np.random.default_rng(3)).to_cpp(tmp_path / "model.hpp")
    assert "compile without -ffast-math" in run_main(tmp_path, "", "-ffast-math").stderr


def test_floats_are_written_exactly() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32).tolist()
    for value in [*values, 0.0, -0.0, 1.0, -1.0, 2.0**-149, -(2.0**127), 0.1, 5e-324, 1.7976931348623157e308]:
        assert float.fromhex(floating(value)) == value
    assert floating(0.5, "F") == "0x1p-1F"


@pytest.mark.parametrize("name", ["", "a b", "1a", "_a", "a__b", "a::", "ä", "a;b", "int", "std", "a::class", None, 7])
def test_invalid_namespaces_are_refused(name: Any, tmp_path: Path) -> None:
    with pytest.raises(ash.SettingError, match=r"namespace=.*pass a C\+\+ name such as"):
        random_network(np.random.default_rng(3)).to_cpp(tmp_path / "model.hpp", namespace=name)
    assert not (tmp_path / "model.hpp").exists()
