"""Model files taken apart and put together again, sound but for their content."""

import json

import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import ash
from ash.models.file import digest


def read(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["ash"])  # noqa: SIM118


def check_refused(path, change, complaint):
    """A file whose content is changed so is refused, with its path and this complaint."""
    tensors, about = read(path)
    change(tensors, about)
    write(path, tensors, about)
    with pytest.raises(ash.ModelFormatError, match=complaint) as refusal:
        ash.load(path)
    assert str(refusal.value).startswith(str(path))


def write(path, tensors, about):
    """Write a file that is sound but for its content."""
    text = about if isinstance(about, str) else json.dumps(about)
    save_file(tensors, path, metadata={"ash": text, "sha256": digest(text, tensors)})
