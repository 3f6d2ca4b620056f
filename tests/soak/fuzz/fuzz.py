"""Fuzzes the code that reads untrusted bytes, guided by coverage.

    pip install atheris
    python tests/soak/fuzz/fuzz.py model -runs=100000            # a target of targets.py and options of libFuzzer
    python tests/soak/fuzz/fuzz.py journal -max_total_time=3600

The fuzzer starts with the files of tests/soak/fuzz/corpus/NAME, and writes new inputs to build/fuzz/NAME. Inputs that
reveal a fault are added to the corpus by hand; tests/soak/fuzz/test_fuzz_corpus.py tests them from then on.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ash", "core_calls", "targets", "words"]):
    from targets import CORPUS, TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"usage: fuzz.py {'|'.join(TARGETS)} [options of libFuzzer]")
    name = sys.argv.pop(1)
    found = Path("build") / "fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    words = [sys.argv[0], f"-artifact_prefix={found}/", *sys.argv[1:], str(found), str(CORPUS / name)]
    atheris.Setup(words, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
