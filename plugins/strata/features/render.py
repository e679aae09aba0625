"""Render ``config/features.yml`` as the two files that dbt reads.

dbt can read no YAML of ours, and a contract must stand in a model's properties. So
both are written from the config, committed, and held up to date by a test:

- ``macros/features/feature_settings.sql``: a macro that returns the settings as data;
- ``models/features/_features__generated.yml``: columns of the generated tables.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from strata.config.features import EventCount, FeaturesConfig
from strata.config.measures import Feature, Measure, Ratio

SETTINGS = Path("macros/features/feature_settings.sql")
PROPERTIES = Path("models/features/_features__generated.yml")
COMMAND = "python -m strata.features"


def render(config: FeaturesConfig) -> dict[Path, str]:
    """Text by path below ``dbt_project/``. The same config gives the same bytes."""
    return {SETTINGS: _settings(config), PROPERTIES: _properties(config)}


def write(config: FeaturesConfig, dbt_project: Path) -> list[Path]:
    """Write what is not up to date below ``dbt_project``; the paths written."""
    written = []
    for path, text in render(config).items():
        target = dbt_project / path
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            written.append(target)
    return written


def _settings(config: FeaturesConfig) -> str:
    sections = {
        "session_gap_minutes": config.session_gap_minutes,
        "night": config.night.model_dump(),
        "event_counts": {
            name: count.model_dump(mode="json", exclude={"description"})
            for name, count in config.counted_events.items()
        },
        "scenarios": list(config.scenarios),
        "day_parts": list(config.day_parts),
        "preference_channels": list(config.preference_channels),
        "topics": list(config.topics),
        "interest": config.interest.model_dump(),
        "prices": config.prices.model_dump(),
        "loyalty": config.loyalty.model_dump(),
        "complaint_categories": list(config.complaint_categories),
        "city_tiers": {tier: list(names) for tier, names in config.city_tiers.items()},
        "device_bands": _device_bands(config),
        "daily_columns": [
            {"name": name, "data_type": data_type}
            for name, (data_type, _) in config.daily_columns.items()
        ],
        "day_counts": [
            {"model": model, "day": counts.day, "columns": list(counts.columns)}
            for model, counts in config.day_counts.items()
        ],
        "window_days": list(config.window_days),
        "measures": [
            {
                "name": found.name,
                "family": found.measure.family,
                "column": found.measure.column,
                **_aggregate(found.measure),
                "window_days": found.window_days,
                "channels": list(config.channel_groups[found.channel_group].systems)
                if found.channel_group
                else None,
            }
            for found in config.windowed
        ],
        "journeys": config.journeys.model_dump(mode="json"),
        "row_measures": {
            rows: [
                {
                    "name": found.name,
                    "column": found.measure.column,
                    "window_days": found.window_days,
                }
                for found in config.windowed_rows(rows)
            ]
            for rows in config.row_measures
        },
        "families": list(config.families),
        "catalogue": [
            _catalogue_row(feature, config.owner) for feature in config.catalogue
        ],
    }
    body = ",\n".join(
        f"    {json.dumps(name)}: {_jinja(section)}"
        for name, section in sections.items()
    )
    return (
        "{#\n"
        f"    Written from config/features.yml by `{COMMAND}`: change it there.\n"
        "#}\n"
        "{% macro feature_settings() %}\n"
        "{{ return({\n" + body + "\n}) }}\n"
        "{% endmacro %}\n"
    )


def _device_bands(config: FeaturesConfig) -> list[dict[str, Any]]:
    """How models begin, by length and band; the longest first, for these decide."""
    found: dict[tuple[int, str], list[str]] = {}
    for beginning, band in config.model_beginnings.items():
        found.setdefault((-len(beginning), band), []).append(beginning)
    return [
        {"length": -length, "band": band, "beginnings": sorted(beginnings)}
        for (length, band), beginnings in sorted(found.items())
    ]


def _aggregate(measure: Measure | Ratio) -> dict[str, Any]:
    if isinstance(measure, Ratio):
        return {
            "aggregate": "ratio",
            "of": measure.of,
            "at_most": measure.at_most,
            "is_amount": measure.is_amount,
        }
    return {"aggregate": measure.aggregate}


def _catalogue_row(feature: Feature, owner: str) -> dict[str, Any]:
    row = feature.model_dump()
    row["source_models"] = ", ".join(feature.source_models)
    return row | {"owner": owner}


def _jinja(value: Any) -> str:
    """A Jinja literal; a list is written with one item a line."""
    if isinstance(value, list):
        return (
            "[\n" + "".join(f"        {_literal(item)},\n" for item in value) + "    ]"
        )
    return _literal(value)


def _literal(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{_literal(k)}: {_literal(v)}" for k, v in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _properties(config: FeaturesConfig) -> str:
    models = [
        {
            "name": "feat_users",
            "description": (
                "What was known of a user at the end of ds. One row a user and ds."
            ),
            "access": "public",
            "group": "customer_analytics",
            "config": {
                "contract": {"enforced": True},
                "meta": {"publish": "by_ds"},
            },
            "columns": [
                _column("unified_user_id", "string", "The user, by the id of ds."),
                _column("ds", "date", "The tenant's local day of the snapshot."),
                *(_column(f.name, f.data_type, _words(f)) for f in config.catalogue),
                _column("_run_id", "string", "The run that wrote the row."),
            ],
        },
        {
            "name": "daily_activity",
            "description": (
                "What a user did on a day in a channel group, in additive measures, "
                "up to the newest ds. One row a user, day and channel group."
            ),
            "group": "customer_analytics",
            "config": {
                "contract": {"enforced": True},
                "meta": {"publish": "replace"},
            },
            "columns": [
                _column("unified_user_id", "string", "The user, by the id of ds."),
                _column("activity_on", "date", "The tenant's local day."),
                _column("channel_group", "string", "The system it was done in."),
                _column("currency", "string", "Currency of the amounts (ISO 4217)."),
                *(
                    _column(name, data_type, description)
                    for name, (data_type, description) in config.daily_columns.items()
                ),
                _column("_run_id", "string", "The run that wrote the row."),
            ],
        },
        {
            "name": "int_event_days_counted",
            "description": (
                "What a source record did on a day and in which categories, and when it "
                "first and last took each step of the funnel, by when it was known. One "
                "row a record, day and moment of knowing."
            ),
            **_counted_by_batch(),
            "columns": [
                *_columns_of_record_days(),
                _column("event_count", "bigint", "Events of every type."),
                _column("session_count", "bigint", "Sessions that began on this day."),
                _column("night_event_count", "bigint", "Events in the night."),
                _column("dwell_seconds", "decimal(38,4)", "Seconds, as events tell."),
                _column(
                    "categories",
                    "string",
                    "The category of each event that has one, as a sorted JSON array.",
                ),
                *(
                    _column(name, _counted_as(count), count.description)
                    for name, count in config.counted_events.items()
                ),
                *(
                    _column(f"{step}_{end}_at", "timestamp", f"The {end} {step}, UTC.")
                    for step in config.journeys.funnel_steps[:-1]
                    for end in ("first", "last")
                ),
                _column("cart_amount", "decimal(38,4)", "Value put into the cart."),
            ],
        },
    ]
    text = yaml.safe_dump(
        {"models": models}, sort_keys=False, allow_unicode=True, width=88
    )
    return (
        f"# Written from config/features.yml by `{COMMAND}`: change it there.\n{text}"
    )


def _counted_by_batch() -> dict[str, Any]:
    """Properties of a model that counts each batch of events once."""
    return {
        "group": "customer_analytics",
        "config": {
            "contract": {"enforced": True},
            "meta": {
                "publish": "by_batch",
                "publish_key": ["known_at"],
                "publish_kept": {"int_batches_kept": "events"},
            },
        },
    }


def _columns_of_record_days() -> list[dict[str, Any]]:
    return [
        _column("system", "string", "Source system of the record."),
        _column("entity", "string", "Entity of the record."),
        _column("record_key", "string", "Key of the record in its entity."),
        _column("event_on", "date", "The tenant's local day."),
        _column("known_at", "timestamp", "When it came to be known, UTC."),
    ]


def _counted_as(count: EventCount) -> str:
    return "decimal(38,4)" if count.sums else "bigint"


def _words(feature: Feature) -> str:
    null = feature.null_meaning
    if null.startswith("never null"):
        return f"{feature.description} N{null[1:]}."
    return f"{feature.description} Null: {null}."


def _column(name: str, data_type: str, description: str) -> dict[str, str]:
    return {"name": name, "data_type": data_type, "description": description}
