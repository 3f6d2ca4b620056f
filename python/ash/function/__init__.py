"""The run behind `ash.tune_function`: the same ladder and clock as for networks, with jobs in Python.

    function_run.py   the calling thread: it asks the clock for jobs, hands them out, and reports their answers
    sources.py        where candidates come from
    clock.py          the clock, by which the ladder decides
    job_runners.py    where jobs run: in this thread, in threads, in a user's executor
    processes.py      the same in child processes
    answers.py        a job and its answer
    forms.py          the allowed forms of `train`: a function, a generator, a class
    reports.py        a function that reports its scores, in a thread that waits between jobs
    objective.py      an objective of Optuna
    state_store.py    the states of waiting candidates, in memory or in files

Start with function_run.py. Entry points and ash/sklearn import this package.
"""
