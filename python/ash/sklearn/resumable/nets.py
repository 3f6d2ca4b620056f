"""PyTorch modules, by the estimators of skorch: module, optimizer and random state stay, and epochs are added.

    NeuralNetClassifier(Module, module__width=64, optimizer=torch.optim.AdamW, lr=0.01)     resource: max_epochs

Between jobs the state is the net's: weights, what the optimizer keeps, the history, callbacks; gradients are let go. It
is pickled attribute by attribute: skorch's own way wants classes of modules that can be imported, and those of a
notebook or a function cannot. Weights and shuffles are drawn from PyTorch's global generator: here it is set by the
candidate before each job, so results can be repeated where jobs do not run in threads of one process at a time. Source:
skorch, NeuralNet.partial_fit.
"""

from typing import Any

from ash.sklearn.resumable.protocol import Continued, Rows


class Nets(Continued):
    """A net of skorch."""

    def __init__(self, estimator: Any, parameter: str | None, seed: int = 0) -> None:
        super().__init__(estimator, parameter)
        self.seed = seed
        self._random: Any = None

    @staticmethod
    def wants_process(estimator: Any) -> bool:
        """Return whether it is trained on a CPU: threads would share random numbers, and wait for Python's lock."""
        return str(getattr(estimator, "device", "cpu")) in ("cpu", "None")

    def more(self, rows: Rows, epochs: int) -> None:
        """Train so many epochs more."""
        import torch

        with torch.random.fork_rng(devices=[]):
            if self._random is None:
                torch.manual_seed(self.seed)
            else:
                torch.set_rng_state(self._random)
            self.estimator.set_params(max_epochs=epochs)
            self.estimator.partial_fit(rows.X, rows.y, **rows.params)
            self._random = torch.get_rng_state()
        self.done += epochs
        self.estimator.set_params(max_epochs=self.done)

    def rest(self) -> None:
        """Let go of the gradients."""
        self.estimator.module_.zero_grad(set_to_none=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "estimator": (type(self.estimator), dict(self.estimator.__dict__))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        kind, attributes = state["estimator"]
        net = kind.__new__(kind)
        net.__dict__.update(attributes)
        self.__dict__.update({**state, "estimator": net})
