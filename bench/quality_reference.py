"""Reference figures for the bench `quality`: what its goals were set by, before any figure of ours.

One 75/25 split on 2 cores of another machine, the error (or the root of the mean squared error) and the seconds of the
fit. They are typed here as they were given, and nothing is computed from them.
"""

from __future__ import annotations

REFERENCE: dict[str, dict[str, tuple[str, str]]] = {
    "optdigits": {
        "mlp": (".0324", "0.3"),
        "lightgbm": (".0230", "0.6"),
        "lightgbm-tuned": (".0209", "70"),
        "realmlp": (".0167", "12"),
    },
    "letter": {
        "mlp": (".0636", "3"),
        "lightgbm": (".0346", "3"),
        "lightgbm-tuned": (".0314", "106"),
        "realmlp": (".0196", "71"),
    },
    "winequality_white": {
        "mlp": (".7593", "0.1"),
        "lightgbm": (".6997", "0.2"),
        "lightgbm-tuned": (".6498", "72"),
        "realmlp": (".7061", "15"),
    },
    "california": {
        "mlp": (".528", "5"),
        "lightgbm": (".451", "0.2"),
        "lightgbm-tuned": (".422", "62"),
        "realmlp": (".500", "57"),
    },
    "adult": {
        "mlp": (".1420", "1"),
        "lightgbm": (".1314", "0.2"),
        "lightgbm-tuned": (".1280", "60"),
        "realmlp": (".1411", "78"),
    },
}
COLUMNS = ("mlp", "lightgbm", "lightgbm-tuned", "realmlp")
