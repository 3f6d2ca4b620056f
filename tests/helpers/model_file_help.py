"""Reads the content of model files, and writes well-formed files with changed content."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import ash
from ash.models.file import digest


def read(path):
    """Return the tensors and the metadata of a model file."""
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["ash"])  # noqa: SIM118


def write(path, tensors, about):
    """Write a well-formed file (with a valid hash), whatever its content."""
    text = about if isinstance(about, str) else json.dumps(about)
    save_file(tensors, path, metadata={"ash": text, "sha256": digest(text, tensors)})


def content(path):
    """Return the tensors and metadata of a file in a form that can be compared."""
    tensors, about = read(path)
    return {name: (tensor.dtype, tensor.shape, tensor.tobytes()) for name, tensor in tensors.items()}, about


def check_refused(path, change, complaint):
    """Change the content of a file, and check that loading it is refused with its path and this complaint."""
    tensors, about = read(path)
    change(tensors, about)
    write(path, tensors, about)
    with pytest.raises(ash.ModelFormatError, match=complaint) as refusal:
        ash.load(path)
    assert str(refusal.value).startswith(str(path))


# Changes of a file's content


def changed(key, value):
    """Return a change that sets an entry of the metadata."""
    return lambda tensors, about: about.__setitem__(key, value)


def of_member(key, value):
    """Return a change that sets an entry of an ensemble's second member."""
    return lambda tensors, about: about["members"][1].__setitem__(key, value)


def replaced(name, tensor):
    return lambda tensors, about: tensors.__setitem__(name, tensor)


def edited(name, edit):
    """Return a change that applies a function to a tensor."""
    return lambda tensors, about: tensors.__setitem__(name, np.ascontiguousarray(edit(tensors[name])))


def poisoned(name, place, value=np.nan):
    """Return a change that sets one number of a tensor."""
    return lambda tensors, about: tensors[name].__setitem__(place, value)


def dropped(name):
    return lambda tensors, about: tensors.pop(name)
