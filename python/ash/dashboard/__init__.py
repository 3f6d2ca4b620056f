"""Contains `ash.Dashboard`, which shows the report of a run in a browser during the run.

Start with dashboard.py, a callback. live_page.py draws the page. server.py serves the page to this machine only.
"""
