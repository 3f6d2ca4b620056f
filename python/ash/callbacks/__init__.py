"""Callbacks for `ash.tune` and the estimators that log a run to other tools; each needs the extra of its name.

    result = ash.tune(X, y, callbacks=[ash.callbacks.TensorBoard("runs/wine"), ash.callbacks.MLflow()])

`ash.Callback` is the base class for your own.
"""

from ash.callbacks.trackers import MLflow, TensorBoard, WandB

__all__ = ["MLflow", "TensorBoard", "WandB"]
