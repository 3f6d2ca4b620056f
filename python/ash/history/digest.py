"""Computes the digest of a run: one hash over its hyperparameters, results and decisions.

The hashed bytes are, in this order:

    TAG, 13 bytes
    number of candidates with a job;   per candidate, in order of number:  candidate, number of bytes of the JSON,
                                                                           JSON of its hyperparameters
    number of jobs;                    per job, in order of decision:      candidate, rung, epochs, score, loss,
                                                                           training_loss, diverged, weights_hash
    best candidate, its rung

The digest is the SHA-256 of these bytes, in hexadecimal. Integers are signed and have 8 bytes, except `weights_hash`
(unsigned, 8 bytes) and `diverged` (one byte). Scores and losses are IEEE 754 doubles; every NaN is 0x7ff8000000000000.
Everything is little-endian without padding. The JSON is ASCII with sorted keys and no blanks; floats are the shortest
decimals that read back as the same value. Times, threads, teams and memory are not included. If this layout changes,
the tag changes.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ash.history.records import Columns
from ash.run_record import DIGITS

TAG = b"ash digest 1\n"

_INTEGERS, _NUMBERS = ("candidate", "rung", "epochs"), ("score", "loss", "training_loss")
JOB = np.dtype(
    [(name, "<i8") for name in _INTEGERS]
    + [(name, "<f8") for name in _NUMBERS]
    + [("diverged", "u1"), ("weights_hash", "<u8")]
)
"""The bytes of one job."""


def digest_run(params: Sequence[dict[str, Any]], columns: Columns, best: tuple[int, int]) -> str:
    """Return the digest of a run: 64 hexadecimal digits.

    `params` has the hyperparameters of every candidate, indexed by its number. `columns` has the jobs in order of
    decision, and `best` is the best candidate and its rung.
    """
    jobs = _job_bytes(columns)
    ran = np.unique(jobs["candidate"]).tolist()
    hasher = hashlib.sha256(TAG + struct.pack("<q", len(ran)))
    for candidate in ran:
        text = json.dumps(params[candidate], sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
        hasher.update(struct.pack("<qq", candidate, len(text)) + text)
    hasher.update(struct.pack("<q", len(jobs)) + jobs.tobytes() + struct.pack("<qq", *best))
    return hasher.hexdigest()


def decision_hashes(columns: Columns) -> tuple[str, ...]:
    """Return a short hash of each job, in order of decision; the bytes of a job are those in the digest."""
    jobs = (job.tobytes() for job in _job_bytes(columns))
    return tuple(hashlib.blake2b(job, digest_size=DIGITS // 2).hexdigest() for job in jobs)


def _job_bytes(columns: Columns) -> NDArray[Any]:
    jobs = np.empty(len(columns["candidate"]), JOB)
    for name in JOB.names or ():
        jobs[name] = columns[name]
    for name in _NUMBERS:
        jobs[name][np.isnan(columns[name])] = np.nan  # gives every NaN the same bits
    return jobs
