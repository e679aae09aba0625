"""The segments stage: values, predictions, tiers and the reasons for them."""

from strata.scoring.stage import SegmentCounts, score

__all__ = ["SegmentCounts", "score"]
