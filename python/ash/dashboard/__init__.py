"""`ash.Dashboard`: the report of a run in a browser while the run goes on.

Start with dashboard.py, a callback. so_far.py makes a history of the jobs so far, live_page.py draws it, server.py
serves it to this machine alone.
"""
