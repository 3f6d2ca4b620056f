"""What is shown of a run while it goes on. Start with views.py; board.py has what all views show."""
