"""Two years of real invoices: one system of the twelve, two formats that overlap.

They are run by the command of the README, through Airflow.
"""

from pathlib import Path

import pytest
from strata.report import summarise
from strata.tenant import Tenant

from tests.integration.world import ROOT, make, rows

pytestmark = [pytest.mark.slow, pytest.mark.real_data]


@pytest.fixture(scope="module")
def retail(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    tenant = Tenant(
        "online_retail",
        root=ROOT,
        state=tmp_path_factory.mktemp("retail"),
        data_folder=shared_data / "online_retail",
    )
    told = make(
        tenant.root,
        tenant.state,
        "run",
        "WORLD=online_retail",
        f"DATA={tenant.data_folder}",
    ).stdout
    assert "Finished, and every check passed" in told
    return tenant


def test_the_command_runs_the_last_day_and_shows_where_everything_lies(
    retail: Tenant,
) -> None:
    with retail.warehouse.connection("test") as con:
        told = summarise(con).to_json()

    assert (told["ds"], told["world"]) == (str(retail.world.last_day), "online_retail")
    assert told["sync"]["crm"]["created"] == sum(told["tiers"].values()) == 5_942
    assert all(Path(place).exists() for place in told["paths"].values())


def test_the_overlap_is_deduplicated_to_the_row(retail: Tenant) -> None:
    counts = {
        table: numbers
        for table, *numbers in rows(
            retail,
            "select table_name, rows_in, rows_out, deduplicated, quarantined"
            " from audit.stage_counts where rows_in > 0",
        )
    }

    assert counts["raw.store__invoices"] == [1_067_370, 1_067_370, 0, 0]
    assert counts["staging.stg_store__invoices"] == [
        1_067_370,
        1_044_847,
        22_523,
        0,
    ]
    assert counts["marts.fct_order_lines"][:2] == [1_044_847, 1_044_847]
    for table, (i, o, d, q) in counts.items():
        assert i == o + d + q, table


def test_lines_without_a_customer_stay_and_belong_to_nobody(retail: Tenant) -> None:
    anonymous, total = rows(
        retail,
        "select count(*) filter (unified_user_id is null), count(*)"
        " from marts.fct_order_lines",
    )[0]

    assert total == 1_044_847
    missing = rows(
        retail,
        "select count(*) from staging.stg_store__invoices where customer_id is null",
    )[0][0]
    assert anonymous == missing > 200_000
    assert rows(retail, "select count(*) from marts.dim_users") == [(5_942,)]


def test_money_is_conserved_from_raw_to_the_marts(retail: Tenant) -> None:
    raw = rows(
        retail,
        "select sum(quantity * price) from (select distinct on (invoice, stock_code,"
        " quantity::bigint, price::decimal(18, 4), invoiced_at, _occurrence)"
        " quantity::bigint as quantity, price::decimal(18, 4) as price"
        " from raw.store__invoices)",
    )[0][0]
    net = rows(retail, "select sum(net_amount) from marts.fct_orders")[0][0]

    assert float(net) == pytest.approx(float(raw), rel=1e-9)


def test_what_cannot_be_known_is_null_and_everybody_has_a_tier(retail: Tenant) -> None:
    assert rows(
        retail,
        "select count(*), count(margin_rate_365d), count(gender),"
        " count(days_since_active) > 0 from features.feat_users",
    ) == [(5_942, 0, 0, True)]
    assert rows(retail, "select count(*) from segments.user_tiers") == [(5_942,)]
    assert rows(retail, "select count(*) from staging.events") == [(0,)]


def test_the_top_three_percent_hold_a_large_part_of_the_revenue(
    retail: Tenant,
) -> None:
    """Published captures of future value by the top 3 % lie between 0.42 and 0.50."""
    share, users = rows(
        retail,
        "select sum(net_amount_365d) filter (tier = 'select') / sum(net_amount_365d),"
        " count(*) filter (tier = 'select')"
        " from segments.user_tiers inner join features.feat_users using"
        " (unified_user_id, ds)",
    )[0]

    assert users == 179, "3 % of 5,942, rounded up"
    assert float(share) > 0.35
