"""`ash-tune export`: a model in, a file for those who serve it out.

    onnx       the whole, from cells to labels and probabilities, for any runtime of ONNX
    torch      a program of torch.export, from `encode`'s features on: torch.export.load(FILE).module(); it wants FILE
               to end in .pt2
    cpp        a C++17 header
    sklearn    a pipeline of scikit-learn, by joblib: joblib.load(FILE), which runs what is in the file, so load only
               files that you trust, by the version of scikit-learn that has written them

What a file of each takes and gives is said by the method of the model: to_onnx, to_torch, to_cpp, to_sklearn.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

from ash._utils.atomic_file import replace_file
from ash._utils.installation import require_extra
from ash.cli.cli_predict import load_model
from ash.cli.cli_streams import Parser
from ash.errors import SettingError
from ash.models.ensemble import Ensemble
from ash.models.network import Network


def export_parser() -> argparse.ArgumentParser:
    """Return the parser of `ash-tune export`."""
    parser = Parser(prog="ash-tune export", description="Write a model of ash-tune for those who serve it elsewhere.")
    parser.add_argument("model", metavar="MODEL", help="a file such as ash-tune-out/model.safetensors")
    parser.add_argument(
        "--format",
        required=True,
        choices=_FORMATS,
        help="onnx: from cells to labels; torch: a torch.export program from encoded features on; cpp: a C++17 header; "
        "sklearn: a pipeline by joblib, to be loaded only by who trusts it",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="where to write it")
    parser.add_argument("--namespace", metavar="NAME", help="of a C++ header (default: model)")
    parser.add_argument("--missing", metavar="TEXT", help="of a missing cell of text in ONNX (default: the empty text)")
    return parser


def export(wishes: argparse.Namespace) -> None:
    """Write a model in another format."""
    for option, format in (("namespace", "cpp"), ("missing", "onnx")):
        if getattr(wishes, option) is not None and wishes.format != format:
            raise SettingError(f"--{option} is for --format {format} alone: leave it out")
    _FORMATS[wishes.format](load_model(wishes.model), wishes)


def _onnx(model: Network | Ensemble, wishes: argparse.Namespace) -> None:
    model.to_onnx(wishes.out, missing=wishes.missing or "")


def _torch(model: Network | Ensemble, wishes: argparse.Namespace) -> None:
    require_extra("--format torch", "torch", "torch")
    from ash.export.description import describe
    from ash.export.torch_module import program_bytes

    replace_file(Path(wishes.out), program_bytes(describe(model)))


def _cpp(model: Network | Ensemble, wishes: argparse.Namespace) -> None:
    model.to_cpp(wishes.out, namespace="model" if wishes.namespace is None else wishes.namespace)


def _sklearn(model: Network | Ensemble, wishes: argparse.Namespace) -> None:
    import joblib

    file = io.BytesIO()
    joblib.dump(model.to_sklearn(), file)
    replace_file(Path(wishes.out), file.getvalue())


_FORMATS: dict[str, Callable[[Network | Ensemble, argparse.Namespace], None]] = {
    "onnx": _onnx,
    "torch": _torch,
    "cpp": _cpp,
    "sklearn": _sklearn,
}
