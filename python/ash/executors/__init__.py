"""Runs jobs of `ash.tune` in a user's executor, in other processes or on other machines.

    core: ladder, clock, results for the journal
        | mailbox (cpp/ash/run/mailbox.hpp)
    dispatcher.py, one thread
        | submit
    job_pool.py (anything with `submit`), mpi_pool.py or dask_pool.py
        | jobs.py: the messages, and the code of a worker
    workers

executor_argument.py checks the argument `executor`. With MPI, data are broadcast, and each rank gets jobs and returns
answers in tasks called exchanges. With Dask, states stay on the workers. Start with dispatcher.py. The engine, the
entry points, ash/function, ash/progress and ash/sklearn import this package.
"""
