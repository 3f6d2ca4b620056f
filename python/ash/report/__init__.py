"""The report of a run as one HTML file, drawn by Python: `Result.report`, and the page of `ash.Dashboard`."""

from ash.report.page import write_report

__all__ = ["write_report"]
