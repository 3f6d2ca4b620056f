"""Runs `ash.tune_function`: jobs are calls of a Python function, on the same ladder and clock as for networks.

    function_run.py   the calling thread: asks the clock for jobs, hands them out, and reports their answers
    sources.py        where candidates come from
    clock.py          makes the clock, and replays a journal on it
    job_runners.py    where jobs run: in this thread, in threads, in a user's executor
    processes.py      runs jobs in child processes
    answers.py        a job and its answer
    forms.py          the allowed forms of `train`: a function, a generator, a class
    reports.py        a function that reports its scores, in a thread that waits between jobs
    objective.py      an Optuna objective as a form of `train`
    state_store.py    the states of waiting candidates, in memory or in files

Start with function_run.py. Entry points and ash/sklearn import this package.
"""
