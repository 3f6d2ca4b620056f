"""Jobs of `ash.tune` in an executor of the user's: other processes, other machines.

core: ladder, clock, journal's results     argument.py   what the user gave, checked
| mailbox (cpp/ash/remote.hpp)           jobs.py       what travels, and what a worker does with it
carrier.py, one thread                     carrier.py    from the mailbox to the executor and back
| submit                                 pool.py       anything with `submit`
pool.py, mpi_pool.py or dask_pool.py       mpi_pool.py   MPI: data by a broadcast, jobs and answers in exchanges
| jobs.py                                rank.py       a rank of MPI and its threads
workers                                    dask_pool.py  Dask: states stay where they are
"""
