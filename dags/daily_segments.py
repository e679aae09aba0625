"""The daily run: customer data in, explained tiers out.

What it does: pulls what is new, stages it, resolves who is who, builds the day's
features, sets tiers, writes the difference to the CRM, swaps in the published copy.
Each stage is built, gated and then published in one transaction.

What it needs: a tenant (``STRATA_WORLD``, default ``sample``) and its home
(``STRATA_HOME``). The day is the parameter ``ds`` (YYYY-MM-DD); a scheduled run is
for the local day on which its data interval starts. With the parameter ``since`` it
builds every day from that one on together: this is how a backfill is made. With ``by``
and ``reason`` it restates days before the newest published one.

What stops it: a gate with a failed or errored check, a source whose contract says
stop, a CRM that refuses too much. Nothing of that stage is then published.

How to rerun it: clear the failed task, or trigger the DAG again with the same ``ds``.
What was published stays; a day run twice gives the same tables and sends nothing new.
A task of a run after which another was begun is refused: trigger the DAG again.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, Param, chain, task, task_group
from airflow.sdk import dag as define_dag
from airflow.timetables.interval import CronDataIntervalTimetable

STAGES = ("ingest", "staging", "identity", "features", "segments", "publish")
PUBLISHED = [Asset("strata://serving/marts"), Asset("strata://serving/user_tiers")]


def explain(context):  # type: ignore[no-untyped-def]
    """Say in the log what to do, and write the failed run's report."""
    from strata.orchestration import explain_failure

    explain_failure(context)


@define_dag(
    # After four in the morning no daylight-saving change skips or repeats the hour.
    schedule=CronDataIntervalTimetable(
        "0 4 * * *", timezone=os.environ.get("STRATA_TIMEZONE", "Asia/Shanghai")
    ),
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={
        "ds": Param(None, type=["null", "string"], format="date"),
        "since": Param(None, type=["null", "string"], format="date"),
        "by": Param(None, type=["null", "string"]),
        "reason": Param(None, type=["null", "string"]),
    },
    default_args={
        "owner": "data engineering",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "on_failure_callback": explain,
    },
    tags=["strata", "daily"],
    doc_md=__doc__,
)
def daily_segments() -> None:
    @task
    def start(params=None, data_interval_start=None, dag_run=None):  # type: ignore[no-untyped-def]
        from strata.orchestration import start_run

        asked = {name: params[name] for name in ("since", "by", "reason")}
        return start_run(params["ds"], data_interval_start, dag_run.run_id, **asked)

    @task
    def step(action: str, stage: str, attempt: str) -> None:
        from strata.orchestration import run_step

        run_step(action, stage, attempt)

    attempt = start()
    groups = []
    for stage in STAGES:

        @task_group(group_id=stage)
        def staged(stage: str = stage) -> None:
            actions = ["build", "gate", "promote"]
            actions += ["sync", "finish"] if stage == "publish" else []
            chain(
                *(
                    step.override(
                        task_id=action,
                        outlets=PUBLISHED if action == "finish" else None,
                    )(action, stage, attempt)
                    for action in actions
                )
            )

        groups.append(staged())
    chain(attempt, *groups)


dag = daily_segments()
