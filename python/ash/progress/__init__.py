"""The progress display of a run. Start with views.py; board.py has the facts that all views show."""
