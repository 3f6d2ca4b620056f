"""The progress display of a run. Start with views.py; board.py contains the counts that all views show."""
