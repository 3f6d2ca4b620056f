"""Draws the report of a run as one HTML file, for `Result.report` and the page of `ash.Dashboard`.

Start with page.py, which lists the sections; each section is a function of `Story`. chart.py draws charts, and
markup.py escapes text.
"""

from ash.report.page import write_report

__all__ = ["write_report"]
