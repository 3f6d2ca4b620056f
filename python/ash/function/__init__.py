"""Runs `ash.tune_function`: jobs are calls of a Python function, on the same ladder and clock as for networks.

    run.py            runs in the calling thread: asks the clock for jobs, hands them out, and reports their answers
    sources.py        chooses the source of candidates
    clock.py          creates the clock, and replays a journal on it
    job_runners.py    runs jobs in this thread, in other threads, or in a user's executor
    processes.py      runs jobs in child processes
    answers.py        runs one job, and returns its answer
    forms.py          converts the allowed forms of `train`: a function, a generator, a class
    reports.py        runs a function that reports its scores, in a thread that waits between jobs
    objective.py      makes an Optuna objective a form of `train`
    outcomes.py       the decided jobs, as the result reports them
    state_store.py    stores the states of waiting candidates, in memory or in files

Start with run.py. The entry points, ash/sklearn and ash/cli import this package.
"""
