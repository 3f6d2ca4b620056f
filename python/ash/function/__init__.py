"""Tuning a function of the user's: the same ladder and clock as for networks, with jobs that Python does.

run.py: the calling thread, which asks the clock, hands out jobs, and tells it what they gave
places.py: where jobs are done: in this thread, in threads;  processes.py: in processes of ours;  futures.py: in an
executor of the user's;  answers.py: what became of a job;  result.py: what the run gives back
"""
