"""What users may like next: which categories go with those they have bought."""

from strata.interest.stage import learn_categories

__all__ = ["learn_categories"]
