"""The run behind `ash.tune_function`: the same ladder and clock as for networks, with jobs that Python does.

    function_run.py   the calling thread: it asks the clock, hands out jobs, and reports what they gave
    job_runners.py    where jobs are done: in this thread or in threads
    processes.py      the same in child processes, futures.py in an executor of the user's
    answers.py        what became of a job
    state_store.py    the states of waiting candidates, in memory or in files

Start with function_run.py. Entry points and ash/sklearn import this package.
"""
