"""How fast one core trains: matrix products and whole training steps against other libraries, and a step on two cores.

`products.py` compares the product kernel with OpenBLAS (through NumPy) and LIBXSMM. `step.py` compares a training step
with PyTorch, scikit-learn and JAX. Both also show the speed as a share of the processor's peak rate of fused
multiply-adds. `teams.py` shows the gain from more threads within one step. LIBXSMM, PyTorch and JAX are compared if
they are installed (Debian: `libxsmm-dev`; `pip install '.[peers]'`).
"""

from __future__ import annotations

from bench.kernels import products, step, teams

BENCHES = (products.BENCH, step.BENCH, teams.BENCH)
