"""`ash.Dashboard`: the report of a run in a browser while the run goes on.

Start with dashboard.py, a callback. live_page.py draws the history so far, server.py serves it to this machine alone.
"""
