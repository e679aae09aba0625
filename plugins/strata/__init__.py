"""Strata: one stable user id, a feature warehouse and explained tiers."""
