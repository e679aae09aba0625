"""Matching of records that share no identifier, by what is known of the person."""

from strata.identity.matching.stage import Matched, match, record

__all__ = ["Matched", "match", "record"]
