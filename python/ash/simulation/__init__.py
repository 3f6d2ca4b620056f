"""`ash.simulate`: simulates the ladder and the schedule for any number of threads or processes, without training.

Start with simulate.py. cluster.py describes the network between decisions and threads.
"""
