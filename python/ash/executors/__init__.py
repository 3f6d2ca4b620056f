"""Jobs of `ash.tune` in an executor of the user's: other processes, other machines.

    core: ladder, clock, journal's results
        | mailbox (cpp/ash/run/mailbox.hpp)
    dispatcher.py, one thread
        | submit
    job_pool.py (anything with `submit`), mpi_pool.py or dask_pool.py
        | jobs.py: what travels, and what a worker does with it
    workers

executor_argument.py checks what the user gave. MPI sends data by a broadcast, jobs and answers in exchanges. With Dask
states stay where they are. Start with dispatcher.py. The engine and the entry points import this package.
"""
