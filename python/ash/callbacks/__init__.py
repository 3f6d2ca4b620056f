"""Callbacks that log a run to other tools; each needs the package of its tool (`pip install 'ash-tune[mlflow]'`).

    result = ash.tune(X, y, callbacks=[ash.callbacks.TensorBoard("runs/wine"), ash.callbacks.MLflow()])

Derive your own callbacks from `ash.Callback`.
"""

from ash.callbacks.trackers import MLflow, TensorBoard, WandB

__all__ = ["MLflow", "TensorBoard", "WandB"]
