"""What was set for the world against what came out of it, from the truth's tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from strata.config.sample import SampleConfig
from strata.sample.entities import TRUTH
from strata.sample.traits import Response

TOP_SHARE = (0.30, 0.45)  # of the revenue, by the top 3 % of all persons


@dataclass(frozen=True)
class Pair:
    """One quantity: what was set, what came out, and how far chance may move it.

    ``error`` is one standard error of what came out; None where it is a plain count.
    """

    label: str
    was_set: float
    came: float
    error: float | None = None


@dataclass(frozen=True)
class Line:
    """A curve: points in order of x."""

    label: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Finding:
    """One figure of the page: pairs to compare, or curves. ``unit`` is of the values."""

    name: str
    title: str
    unit: str
    pairs: tuple[Pair, ...] = ()
    lines: tuple[Line, ...] = ()
    x_title: str = ""


def findings(world_dir: Path, config: SampleConfig) -> list[Finding]:
    """All findings of a world of which at least one day has been written.

    Raises ``ValueError`` where none has.
    """
    if not (world_dir / "truth" / "persons").is_dir():
        raise ValueError(
            "the sample world has not begun: write it with `strata sample advance DAY`"
        )
    with duckdb.connect() as con:
        _open(con, world_dir)
        return [
            _systems(con, config),
            _concentration(con),
            _baskets(con, config),
            _days(con),
            _lives(con),
            _plans(con),
            _uplifts(con),
            _channels(con),
            _moods(con),
            _dirt(con, world_dir, config),
        ]


def _open(con: duckdb.DuckDBPyConnection, world_dir: Path) -> None:
    """A view a table of the truth; empty where nothing has been told yet."""
    for entity in TRUTH:
        folder = world_dir / "truth" / entity.name
        columns = ", ".join(f'null::varchar as "{c}"' for c in entity.columns)
        source = (
            f"select * from read_parquet('{_escaped(folder)}/*.parquet')"
            if folder.is_dir()
            else f"select {columns} limit 0"
        )
        con.execute(f"create view {entity.name} as {source}")
    folder = world_dir / "truth" / "persons"
    con.execute(
        f"create table persons as from read_parquet('{_escaped(folder)}/*.parquet')"
    )
    con.execute(
        "create table bought as select purchase_id, person_id, bought_on::date as day,"
        " net_amount::double as net, cause from purchases"
    )


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")


def _systems(con: duckdb.DuckDBPyConnection, config: SampleConfig) -> Finding:
    """Who has nothing else is put into the first systems, so that these are larger."""
    pairs = []
    for system, share in config.systems.model_dump().items():
        column = "mini" if system == "miniprogram" else system
        came, size = _one(
            con, f"select avg(({column}_joined_on is not null)::int), count(*)"
        )
        pairs.append(Pair(system, share, came, _share_error(came, size)))
    return Finding(
        "systems", "Persons with dealings in each system", "share", tuple(pairs)
    )


def _concentration(con: duckdb.DuckDBPyConnection) -> Finding:
    rows = con.execute(
        """
        with value as (
            select p.person_id, coalesce(sum(b.net), 0) as v
            from persons as p left join bought as b using (person_id) group by 1
        ),
        ranked as (
            select v, percent_rank() over (order by v desc) as r,
                sum(v) over (order by v desc, person_id) / nullif(sum(v) over (), 0) as s
            from value
        )
        select round(r * 100) as percent, max(s) from ranked group by 1 order by 1
        """
    ).fetchall()
    points = tuple((float(x), float(y or 0)) for x, y in rows)
    return Finding(
        "concentration",
        "Share of the revenue by the persons who spend most",
        "share",
        lines=(Line("of all persons", points),),
        x_title="top % of persons",
        pairs=(
            Pair("top 3 %, from", TOP_SHARE[0], top_share(con)),
            Pair("top 3 %, to", TOP_SHARE[1], top_share(con)),
        ),
    )


def top_share(con: duckdb.DuckDBPyConnection) -> float:
    """The share of the revenue that comes from the top 3 % of all persons."""
    (share,) = _one(
        con,
        """
        select sum(v) filter (where n <= ceil(0.03 * size)) / nullif(sum(v), 0) from (
            select v, row_number() over (order by v desc) as n, count(*) over () as size
            from (
                select p.person_id, coalesce(sum(b.net), 0) as v
                from persons as p left join bought as b using (person_id) group by 1
            )
        )
        """,
        table="",
    )
    return share


def _baskets(con: duckdb.DuckDBPyConnection, config: SampleConfig) -> Finding:
    shape = config.behaviour.basket_shape
    scale = config.behaviour.mean_basket * (shape - 1)
    mean, error = _one(
        con,
        "select avg(m), stddev(m) / sqrt(count(*))"
        " from (select avg(mean_spend) as m from persons group by person_id)",
        table="",
    )
    orders, orders_error = _one(
        con,
        "select avg(order_rate_a_day) * 365,"
        " stddev(order_rate_a_day) * 365 / sqrt(count(*))",
    )
    drops, drops_error = _one(
        con,
        "select avg(dropout_after_order) * 100,"
        " stddev(dropout_after_order) * 100 / sqrt(count(*))",
    )
    return Finding(
        "latents",
        f"Latent means (inverse gamma spend, shape {shape}, scale {scale:.0f})",
        "CNY a basket; orders a year; % of orders",
        (
            Pair("mean basket", config.behaviour.mean_basket, mean, error),
            Pair("orders a year", config.behaviour.orders_a_year, orders, orders_error),
            Pair(
                "leaves after an order, %",
                100 * config.behaviour.dropout_after_order,
                drops,
                drops_error,
            ),
        ),
    )


def _days(con: duckdb.DuckDBPyConnection) -> Finding:
    """Orders a day beside what the calendar asks for, both 1 in the mean."""
    rows = con.execute(
        """
        select row_number() over (order by c.day) as n,
            orders_factor::double * promotion_factor::double as asked,
            count(b.day) as came
        from calendar as c left join bought as b on b.day = c.day::date
        group by c.day, 2 order by c.day
        """
    ).fetchall()
    asked = sum(row[1] for row in rows) / len(rows)
    came = max(sum(row[2] for row in rows) / len(rows), 1e-9)
    return Finding(
        "days",
        "Purchases by day: the calendar, and what came",
        "times the mean",
        lines=(
            Line("set", tuple((float(n), a / asked) for n, a, _ in rows)),
            Line("came", tuple((float(n), c / came) for n, _, c in rows)),
        ),
        x_title="day",
    )


def _lives(con: duckdb.DuckDBPyConnection) -> Finding:
    """Persons of the first half year: alive by the truth, and still buying later."""
    rows = con.execute(
        """
        with days as (select min(day::date) as first, max(day::date) as last
            from calendar),
        cohort as (
            select person_id, appeared_on, dropout_on,
                (select max(day) from bought as b where b.person_id = p.person_id)
                    as last_bought
            from persons as p, days
            where appeared_on <= first + 180 and order_rate_a_day > 0.02
        )
        select a, avg((dropout_on is null or dropout_on > appeared_on + a)::int),
            avg(coalesce(last_bought >= appeared_on + a, false)::int)
        from cohort, (select range::int as a from range(0, 220, 10)), days
        where appeared_on + a <= last
        group by 1 order by 1
        """
    ).fetchall()
    return Finding(
        "lives",
        "Who is still there: alive by the truth, and seen to buy again",
        "share",
        lines=(
            Line("alive", tuple((float(a), float(s)) for a, s, _ in rows)),
            Line("buys again", tuple((float(a), float(s)) for a, _, s in rows)),
        ),
        x_title="days since the person appeared",
    )


def _plans(con: duckdb.DuckDBPyConnection) -> Finding:
    """Orders a day after the plan's end for one before its start, persons alive."""
    rows = con.execute(
        """
        with last as (select max(day::date) as last from calendar),
        planned as (
            select p.plan, p.person_id, p.from_day::date as f, p.until_day::date as u,
                p.factor::double as factor,
                least(coalesce(dropout_on - 30, last), last) as till, appeared_on
            from plans as p inner join persons using (person_id), last
        )
        select plan, exp(avg(ln(factor))),
            sum((select count(*) from bought as b where b.person_id = x.person_id
                and b.day between u and till)) as n_after,
            sum((select count(*) from bought as b where b.person_id = x.person_id
                and b.day between appeared_on and f - 1)) as n_before,
            sum(till - u + 1) as days_after, sum(f - appeared_on) as days_before
        from planned as x where till > u group by 1 order by 1
        """
    ).fetchall()
    pairs = []
    for plan, factor, after, before, days_after, days_before in rows:
        if after and before:
            came = (after / days_after) / (before / days_before)
            pairs.append(
                Pair(plan, factor, came, came * (1 / after + 1 / before) ** 0.5)
            )
    return Finding(
        "plans",
        "Growth and decline: orders after the plan for one before",
        "times",
        tuple(pairs),
    )


def _uplifts(con: duckdb.DuckDBPyConnection) -> Finding:
    """Orders within seven days of the treated against those held out, over all trials.

    Orders by advertisement or coupon dilute what is seen a little.
    """
    rows = con.execute(
        """
        with counted as (
            select a.campaign, a.person_id, a.kind, a.is_treated = '1' as treated,
                count(b.day) as n
            from assignments as a left join bought as b
                on b.person_id = a.person_id
                and b.day between a.sent_on::date and a.sent_on::date + 6
            where a.sent_on::date + 6 <= (select max(day::date) from calendar)
            group by 1, 2, 3, 4
        ),
        planted as (
            select kind, campaign, uplift::double as uplift from campaigns
        )
        select c.kind, avg(uplift),
            avg(n) filter (where treated), avg(n) filter (where not treated),
            var_samp(n) filter (where treated) / count(*) filter (where treated),
            var_samp(n) filter (where not treated) / count(*) filter (where not treated)
        from counted as c inner join planted as p using (kind, campaign)
        group by 1
        """
    ).fetchall()
    order = [response.name.lower() for response in Response]
    pairs = []
    for kind, planted, treated, control, one, other in sorted(
        rows, key=lambda row: order.index(row[0])
    ):
        if control and one is not None and other is not None:
            error = (one + other) ** 0.5 / control
            pairs.append(Pair(kind, planted, treated / control - 1, error))
    return Finding(
        "uplift", "What a campaign does to the orders, by kind", "share", tuple(pairs)
    )


def _channels(con: duckdb.DuckDBPyConnection) -> Finding:
    """Orders whose cause was a touch, for each touch of a person who may buy."""
    rows = con.execute(
        """
        with expected as (
            unpivot (
                select sum(columns('expected_(.*)')::double) as '\\1' from calendar
            ) on * into name touchpoint value orders
        )
        select touchpoint, orders_a_touch::double, orders / orders_a_touch::double,
            (select count(*) from bought where bought.cause = touchpoint)
        from channels inner join expected using (touchpoint)
        where orders > 0 order by touchpoint
        """
    ).fetchall()
    return Finding(
        "channels",
        "Orders that a touch brings about",
        "orders a touch",
        tuple(Pair(t, e, n / k, (e / k) ** 0.5) for t, e, k, n in rows),
    )


def _moods(con: duckdb.DuckDBPyConnection) -> Finding:
    text, stars, size = _one(
        con,
        """
        select avg((text_kind = mood_kind)::int), avg((mood_kind = case
            when rating::int <= 2 then 'negative' when rating::int = 3 then 'neutral'
            else 'positive' end)::int), count(*)
        """,
        table="moods",
    )
    return Finding(
        "moods",
        "Reviews that agree with the mood behind them",
        "share",
        (
            Pair("text", TEXT_AGREES, text, _share_error(text, size)),
            Pair("stars", STARS_AGREE, stars, _share_error(stars, size)),
        ),
    )


TEXT_AGREES, STARS_AGREE = 0.96, 0.76


def _dirt(
    con: duckdb.DuckDBPyConnection, world_dir: Path, config: SampleConfig
) -> Finding:
    from strata.sample.world import describe

    told = describe(world_dir, config)
    rows = max(told["rows"] - sum(told["systems"].get("crm", {}).values()), 1)
    dirt, pairs = config.dirt, []
    for kind, share in (
        ("repeated", dirt.duplicate_rows),
        ("late", dirt.late_rows + dirt.very_late_rows),
        ("broken", dirt.broken_rows),
    ):
        count = con.execute(
            "select count(*) from faults where kind = ?", [kind]
        ).fetchone()
        came = (count[0] if count else 0) / rows
        pairs.append(Pair(kind, share, came, _share_error(came, rows)))
    return Finding("dirt", "Rows spoilt on the way", "share of rows", tuple(pairs))


def _one(
    con: duckdb.DuckDBPyConnection, select: str, table: str = "persons"
) -> Sequence[float]:
    row = con.execute(f"{select} from {table}" if table else select).fetchone()
    return [float(value or 0) for value in row or ()]


def _share_error(share: float, size: float) -> float:
    return float((share * (1 - share) / max(size, 1)) ** 0.5)
