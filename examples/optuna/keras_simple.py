"""Tune a convolutional Keras network on the digits: a callback reports the accuracy after each epoch."""

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import ash

images, y = load_digits(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(images.reshape(-1, 8, 8, 1) / 16, y, random_state=0)
EPOCHS = 10
SPACE = {
    "filters": [32, 64],
    "kernel_size": [3, 5],
    "strides": [1, 2],
    "activation": ["relu", "linear"],
    "learning_rate": ash.loguniform(1e-5, 1e-1),
}


def train(params: dict[str, Any], report: Any) -> None:
    """Train with Keras, and report the accuracy after each epoch."""
    keras.utils.set_random_seed(0)
    shape = {name: params[name] for name in ("filters", "kernel_size", "strides", "activation")}
    layers = [keras.layers.Conv2D(**shape), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    optimizer = keras.optimizers.RMSprop(params["learning_rate"])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: report(logs["val_accuracy"]))
    told = {"validation_data": (X_valid, y_valid), "callbacks": [callback], "verbose": 0}
    model.fit(X_train, y_train, batch_size=128, epochs=EPOCHS, **told)


def tune(candidates: int | None = 16, time_limit: float | None = None, seed: int = 0) -> ash.FunctionResult:
    """Search, and return the result."""
    return ash.tune_function(
        train, SPACE, candidates=candidates, time_limit=time_limit, max_epochs=EPOCHS, n_jobs=1, random_state=seed
    )


if __name__ == "__main__":
    print(tune())
