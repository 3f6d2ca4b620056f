"""`ash.simulate`: the ladder and the schedule on a clock, for any number of threads or processes, without training.

Start with simulate.py. cluster.py describes what lies between decisions and threads.
"""
