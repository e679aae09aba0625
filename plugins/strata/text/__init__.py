"""What people write: how they feel about the company, and about what they write."""

from strata.text.stage import judge_texts

__all__ = ["judge_texts"]
