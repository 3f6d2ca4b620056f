"""Implements `ash-tune export`, which writes a model in a format that other software can serve.

    onnx       the whole model, from cells to labels and probabilities, for any ONNX runtime
    torch      a torch.export program whose input is the output of the model's `encode`. Load it by
               torch.export.load(FILE).module(); FILE must end in .pt2
    cpp        a C++17 header
    sklearn    a scikit-learn pipeline, saved by joblib: joblib.load(FILE). Loading runs the code in the file, so load
               only files that you trust, with the version of scikit-learn that wrote them

The docstrings of the model methods to_onnx, to_torch, to_cpp and to_sklearn describe each format's input and output.
"""

import argparse
import io
from pathlib import Path

from ash._utils.atomic_file import replace_file
from ash._utils.installation import require_extra
from ash.cli.predict import load_model
from ash.cli.streams import Parser
from ash.errors import SettingError

FORMATS = ("onnx", "torch", "cpp", "sklearn")


def export_parser() -> Parser:
    """Return the parser of `ash-tune export`."""
    parser = Parser(prog="ash-tune export", description="Export a model of ash-tune for use outside of ash.")
    parser.option("model", "MODEL", "a file such as ash-tune-out/model.safetensors")
    parser.add_argument(
        "--format",
        required=True,
        choices=FORMATS,
        help="onnx: the whole model, from cells to labels; torch: a torch.export program that takes encoded features; "
        "cpp: a C++17 header; sklearn: a joblib file of a pipeline, to be loaded only if you trust its origin",
    )
    parser.option("--out", "FILE", "where to write it", required=True)
    parser.option("--namespace", "NAME", "the namespace of the C++ header (default: model)")
    parser.option("--missing", "TEXT", "the text of a missing category in ONNX (default: empty)")
    return parser


def export(args: argparse.Namespace) -> None:
    """Write a model in another format."""
    for option, format in (("namespace", "cpp"), ("missing", "onnx")):
        if getattr(args, option) is not None and args.format != format:
            raise SettingError(f"--{option} is only for --format {format}: leave it out")
    model, path = load_model(args.model), Path(args.out)
    if args.format == "onnx":
        model.to_onnx(path, missing=args.missing or "")
    elif args.format == "cpp":
        model.to_cpp(path, namespace="model" if args.namespace is None else args.namespace)
    elif args.format == "torch":
        require_extra("--format torch", "torch", "torch")
        from ash.export.description import describe
        from ash.export.torch_module import program_bytes

        replace_file(path, program_bytes(describe(model, cells=False)))
    else:
        import joblib

        file = io.BytesIO()
        joblib.dump(model.to_sklearn(), file)
        replace_file(path, file.getvalue())
