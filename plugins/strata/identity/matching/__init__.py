"""Matching of records that share no identifier, by what is known of the person."""
