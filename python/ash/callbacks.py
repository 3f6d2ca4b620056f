"""Callbacks for `ash.tune` and the estimators that log a run to other tools, each by an extra of its name.

    result = ash.tune(X, y, callbacks=[ash.callbacks.TensorBoard("runs/wine"), ash.callbacks.MLflow()])

`ash.Callback` is the base of your own.
"""

from ash.mlflow_callback import MLflow
from ash.tensorboard_callback import TensorBoard
from ash.wandb_callback import WandB

__all__ = ["MLflow", "TensorBoard", "WandB"]
