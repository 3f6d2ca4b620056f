"""Every figure that ash publishes, one command each; bench/README.md says what they mean."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "tables": ("tables",),
    "scaling": ("schedule", "teams", "simulate", "promotions"),
    "cluster": ("cluster",),
    "kernels": ("products", "step"),
    "ladder": ("ladder",),
    "peers": ("peers",),
    "memory": ("memory", "allocations"),
    "frames": ("frames",),
    "journal": ("journal", "faults"),
    "executors": ("executors",),
    "forecasts": ("forecasts",),
    "models": ("functions", "function_faults", "searches"),
    "quality": ("quality",),
    "ablation": ("ablation",),
}
"""The modules of a command. Each has `bench(options)` to measure and `sections(results)` to show what was measured."""
HOURS = ("quality", "ablation")
"""Commands that take hours: `all` leaves them out unless it is quick, and `report` shows what they have left."""
