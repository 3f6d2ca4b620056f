"""Commands run in an empty folder: they write into ash-tune-out unless told otherwise."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def empty_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the command of a test start in a folder of its own."""
    folder = tmp_path_factory.mktemp("run")
    monkeypatch.chdir(folder)
    return folder
