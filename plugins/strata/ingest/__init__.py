"""Ingest: what is new from every source, as it came, into raw."""
