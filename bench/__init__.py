"""The benches of ash, from which every published figure comes. bench/README.md says how to read a figure.

A subject is a package or module `bench.NAME`. Its page starts with the first paragraph of its docstring. The
subject has `BENCHES`, a tuple of `bench.record.Bench`, and `arguments(parser)` if it has its own options.
"""

from typing import NamedTuple


class Subject(NamedTuple):
    """The description of a subject that `python -m bench` prints."""

    answers: str
    takes: str  # duration on 2 cores


SUBJECTS = {
    "tables": Subject("How much faster are more threads? The student project's tables and figures.", "5 min"),
    "kernels": Subject("How fast is one core? Products, a training step, a step shared by threads.", "5 min"),
    "ladder": Subject("How many decisions per second, from 100 to 10 million candidates?", "5 min"),
    "peers": Subject("How fast are whole searches? Beside scikit-learn, Optuna, Ray Tune and Dask-ML.", "20 min"),
    "quality": Subject(
        "How good is the model that a minute brings? Beside AutoML, trees and another network.", "hours"
    ),
    "honest": Subject("Is the estimated score right? Beside the score on held-out rows.", "30 min"),
    "searches": Subject("How good and fast are searches over forests, boosting, pipelines and PyTorch?", "1 h"),
    "ablation": Subject("What is each part of the default recipe worth?", "2 h"),
    "repeats": Subject("Are timed runs repeated bit for bit, and what does it cost?", "2 h"),
    "executors": Subject("What does a job cost on processes, Dask and MPI?", "3 min"),
}
