"""The run behind `ash.tune_function`: the same ladder and clock as for networks, with jobs that Python does.

    function_run.py   the calling thread: it asks the clock, hands out jobs, and reports what they gave
    sources.py        where candidates come from
    clock.py          the clock, by which the ladder decides
    job_runners.py    where jobs are done: in this thread, in threads, in an executor of the user's
    processes.py      the same in child processes
    answers.py        what a job is, and what became of it
    forms.py          what a user may write as `train`: a function, a generator, a class
    reports.py        a function that reports its scores, in a thread that waits between jobs
    objective.py      an objective of Optuna
    state_store.py    the states of waiting candidates, in memory or in files

Start with function_run.py. Entry points and ash/sklearn import this package.
"""
