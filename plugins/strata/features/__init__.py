"""Features of users: what dbt needs to know of ``config/features.yml``."""
