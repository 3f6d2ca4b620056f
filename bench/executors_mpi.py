"""The run of the bench of executors in ranks of MPI.

    mpiexec -n 3 python -m mpi4py.futures -m bench.executors_mpi 128 time 2       two ranks that train, a thread each
    mpiexec -n 2 python -m mpi4py.futures -m bench.executors_mpi 128 time 2       one, with two threads

Rank 0 decides, and does the run twice: the second one is that which counts.
"""

import json
import sys

if __name__ == "__main__":
    from mpi4py.futures import MPIPoolExecutor

    from bench.executors_places import once

    candidates, count, threads = int(sys.argv[1]), sys.argv[2] == "count", int(sys.argv[3])
    with MPIPoolExecutor() as executor:
        once(candidates, executor=executor, threads=threads)
        print(json.dumps(once(candidates, count, executor=executor, threads=threads)))
