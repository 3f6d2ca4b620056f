"""Contains `ash.simulate`, which simulates the ladder and the schedule on any number of threads or processes.

Start with simulate.py. cluster.py describes the network between the coordinator and the processes.
"""
