"""The same tables on both engines: a finished run, built again on Spark and compared."""
