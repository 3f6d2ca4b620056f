"""What a run returns: `Result` for networks, `FunctionResult` for functions. Both are a history with methods.

Start with result.py. Plots, reports and exports are imported when a method needs them.
"""
