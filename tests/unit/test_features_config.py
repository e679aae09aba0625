"""config/features.yml is the one place where features are defined."""

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from strata.config.features import FeaturesConfig
from strata.config.loader import ConfigError, read_yaml
from strata.features.render import PROPERTIES, SETTINGS, render, write

ROOT = Path(__file__).parents[2]

PROMISED_TO_SCORES = {
    "boolean": "consent_profiling consent_marketing",
    "date": "first_order_on last_order_on last_active_on",
    "integer": (
        "recency_days days_since_active order_count_365d order_count_total"
        " order_count_90d order_count_30d active_days_30d active_days_90d"
        " active_days_prior_90d event_count_30d event_count_90d clv_x tenure_days"
    ),
    "decimal(18,4)": (
        "net_amount_365d net_amount_total avg_order_value_365d net_amount_90d"
        " net_amount_30d"
    ),
    "double": "median_gap_days margin_rate_365d clv_t_x clv_T clv_mean_spend",
}
SMALLEST = """\
owner: somebody
session_gap_minutes: 30
night: {from_hour: 22, until_hour: 6}
event_counts:
  login_count: {types: [login], description: Logins.}
measures:
  - name: logins
    family: activity
    column: login_count
    windows: [7, total]
    data_type: integer
    unit: logins
    description: Logins {window}.
    source_models: [staging.events]
ratios:
  - name: order_value
    family: consumption
    column: net_amount
    of: order_count
    windows: [total]
    data_type: decimal(18,4)
    unit: currency
    description: Spend {window} by orders.
    source_models: [staging.orders]
    null_meaning: no order
journeys:
  funnel_steps: [product_view, order]
  cart_step: product_view
  cart_hours: 24
  touch_days: 7
  history_days: 91
  smallest_cell: 5
  referral_levels: 2
  contact_channels: {email: [email]}
features:
  - name: gender
    family: profile
    data_type: string
    description: Gender.
    source_models: [staging.stg_person_attributes]
    null_meaning: not known
"""


@pytest.fixture(scope="module")
def config() -> FeaturesConfig:
    return read_yaml(ROOT / "config/features.yml", FeaturesConfig)


def smallest(**changes: Any) -> FeaturesConfig:
    return FeaturesConfig.model_validate(yaml.safe_load(SMALLEST) | changes)


def settings_as_dbt_sees_them(text: str) -> dict[str, Any]:
    """What the rendered macro returns, by the template engine that dbt uses."""
    returned: list[Any] = []
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    template = environment.from_string(text + "{% do feature_settings() %}")
    template.render({"return": lambda value: returned.append(value) or ""})
    (settings,) = returned
    assert isinstance(settings, dict)
    return settings


def test_what_dbt_reads_is_what_the_config_says(config: FeaturesConfig) -> None:
    """If this fails: python -m strata.features."""
    committed = {
        path: (ROOT / "dbt_project" / path).read_text(encoding="utf-8")
        for path in (SETTINGS, PROPERTIES)
    }

    assert committed == render(config)


def test_the_columns_that_scores_rely_on_are_there(config: FeaturesConfig) -> None:
    types = {feature.name: feature.data_type for feature in config.catalogue}
    promised = {
        name: data_type
        for data_type, names in PROMISED_TO_SCORES.items()
        for name in names.split()
    }

    assert {name: types.get(name) for name in promised} == promised


def test_every_feature_is_described_and_has_a_model(config: FeaturesConfig) -> None:
    folder = ROOT / "dbt_project/models/features"
    for feature in config.catalogue:
        assert feature.description.endswith("."), feature.name
        assert (folder / f"feat_{feature.family}.sql").exists(), feature.name
        window = re.search(r"_(\d+)d$", feature.name)
        if window:
            assert feature.window_days == int(window.group(1)), feature.name


def test_a_window_is_a_feature() -> None:
    names = {f.name: (f.window_days, f.description) for f in smallest().catalogue}

    assert names == {
        "gender": (None, "Gender."),
        "logins_7d": (7, "Logins in the last 7 days."),
        "logins_total": (None, "Logins up to ds."),
        "order_value_total": (None, "Spend up to ds by orders."),
    }


@given(words=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_words_reach_dbt_as_they_were_written(words: str) -> None:
    feature = yaml.safe_load(SMALLEST)["features"][0] | {"description": words}
    rendered = render(smallest(features=[feature]))

    settings = settings_as_dbt_sees_them(rendered[SETTINGS])
    assert settings["catalogue"][0]["description"] == words
    users, *_ = yaml.safe_load(rendered[PROPERTIES])["models"]
    described = {c["name"]: c["description"] for c in users["columns"]}
    assert described["gender"] == f"{words} Null: not known."


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    first = write(smallest(), tmp_path)
    again = write(smallest(), tmp_path)
    changed = write(smallest(session_gap_minutes=45), tmp_path)

    assert (len(first), again) == (2, [])
    assert changed == [tmp_path / SETTINGS]


@given(
    bands=st.dictionaries(
        st.text("aB 1", min_size=1).filter(str.strip),
        st.sampled_from(["entry", "mid", "premium"]),
    ),
    model=st.text("AbB1 "),
)
def test_the_longest_beginning_of_a_model_has_its_band(
    bands: dict[str, str], model: str
) -> None:
    """By the list that dbt goes through from the top, as the config means it."""
    plain = {name.lower().replace(" ", ""): band for name, band in bands.items()}
    written: dict[str, list[str]] = {}
    for name, band in plain.items():
        written.setdefault(band, []).append(name.upper())
    settings = settings_as_dbt_sees_them(
        render(smallest(device_bands=written))[SETTINGS]
    )

    asked = model.lower().replace(" ", "")
    first = next(
        (
            band["band"]
            for band in settings["device_bands"]
            if asked[: band["length"]] in band["beginnings"]
        ),
        None,
    )

    fitting = [name for name in plain if asked.startswith(name)]
    assert first == plain.get(max(fitting, key=len, default="none"))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("column: login_count", "column: sneezes", "lacks: ['sneezes']"),
        ("family: activity\n", "family: loyalty\n    aggregate: days\n", "['logins']"),
        ("name: gender", "name: logins_7d", "more than once: ['logins_7d']"),
        ("login_count: {types", "net_amount: {types", "already: ['net_amount']"),
        ("Logins {window}.", "Logins.", "line 13: measures.0.description"),
        ("family: profile", "family: astrology", "line 37: features.0.family"),
        ("windows: [7, total]", "windows: [7, often]", "measures.0.windows.1"),
        ("from_hour: 22", "from_hour: 3", "line 3: night"),
        ("owner: somebody", "owners: somebody", "owners"),
        ("of: order_count", "of: gross_amount", "by a count: ['order_value']"),
        ("windows: [total]", "windows: [total]\n    at_most: 1", "no at_most"),
        (
            "journeys:",
            "device_bands: {cheap: [Redmi]}\njourneys:",
            "device_bands.cheap",
        ),
        ("journeys:", "device_bands: {mid: [a, ' ']}\njourneys:", "is: ['mid']"),
        (
            "journeys:",
            "device_bands: {mid: [Redmi K], entry: [redmik]}\njourneys:",
            "models more than once: ['redmik']",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    path = tmp_path / "features.yml"
    path.write_text(SMALLEST.replace(old, new), encoding="utf-8")

    with pytest.raises(ConfigError, match=re.escape(fault)):
        read_yaml(path, FeaturesConfig)
