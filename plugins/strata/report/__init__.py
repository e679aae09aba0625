"""What a run did, for people: one page a run, a summary in JSON and in the terminal."""

from strata.report.page import write_report
from strata.report.summarising import summarise
from strata.report.summary import RunSummary
from strata.report.terminal import render_summary

__all__ = ["RunSummary", "render_summary", "summarise", "write_report"]
