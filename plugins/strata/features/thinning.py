"""Old snapshots are thinned: every day for a while, then one day a month."""

from datetime import date, timedelta

import duckdb

SNAPSHOTS = "features.feat_users"


def thin(con: duckdb.DuckDBPyConnection, newest: date, daily_days: int) -> list[date]:
    """Remove the snapshots that are no longer kept; their days, oldest first.

    Kept are the ``daily_days`` up to ``newest``, and of each month before them the last
    day that there is. What is kept of a month stays kept: doing it again, or doing it
    each day, leaves the same days as doing it once. A day that is run again later comes
    back until the next time.
    """
    removed = con.execute(
        f"with days as (select distinct ds from {SNAPSHOTS}),"
        " last_days as (select max(ds) as ds from days group by date_trunc('month', ds))"
        " select ds from days anti join last_days using (ds) where ds <= ? order by ds",
        [newest - timedelta(days=daily_days)],
    ).fetchall()
    days = [row[0] for row in removed]
    if days:
        con.execute(f"delete from {SNAPSHOTS} where list_contains(?, ds)", [days])
    return days
