"""Ingest: what is new from every source, as it came, into raw."""

import os

# By default dlt calls home, and asks Airflow's database for each of its settings.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["PROVIDERS__ENABLE_AIRFLOW_SECRETS"] = "false"
os.environ["PROVIDERS__ENABLE_GOOGLE_SECRETS"] = "false"
