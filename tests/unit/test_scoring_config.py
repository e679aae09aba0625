"""The rules of tiers and playbooks leave nobody without a name or an action."""

from itertools import product
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from strata.config.loader import read_yaml
from strata.config.playbooks import PlaybooksConfig, Situation, situations
from strata.config.tiers import LIFECYCLES, TIERS, TiersConfig

CONFIG = Path(__file__).parents[2] / "config"
RULES = read_yaml(CONFIG / "tiers.yml", TiersConfig)
PLAYS = read_yaml(CONFIG / "playbooks.yml", PlaybooksConfig)


def test_every_combination_of_quintiles_has_a_segment() -> None:
    names = RULES.rfm.names()

    assert set(names) == set(product(range(1, 6), repeat=3))
    assert None not in names.values()
    assert RULES.rfm.no_purchase not in names.values()
    assert names[5, 5, 5] == "champions"
    assert names[1, 1, 1] == "lost"
    assert names[1, 5, 5] == "cannot_lose"


def test_every_situation_has_one_action() -> None:
    grid = list(situations())

    assert len(grid) == len(set(grid)) == len(TIERS) * len(LIFECYCLES) * 2 * 2 * 2
    taken = {situation: PLAYS.resolve(situation) for situation in grid}
    assert {play.action for play in taken.values()} == {a.action for a in PLAYS.actions}
    assert {p.mode for p in taken.values()} == {"automated", "human", "scenario"}
    assert {p.layer for p in taken.values()} == {"benefit", "growth", "social_capital"}
    assert {p.trigger for p in taken.values()} >= {
        "new_7_days",
        "dormant",
        "high_value",
    }


def test_nobody_is_written_to_or_called_without_consent_to_marketing() -> None:
    silent = [s for s in situations() if not s.consent_marketing]
    assert {PLAYS.resolve(s).mode for s in silent} == {"scenario"}


@pytest.mark.parametrize(
    ("situation", "action"),
    [
        (Situation("select", "new", False, False, True), "personal_welcome"),
        (Situation("low", "new", False, True, True), "welcome_series"),
        (Situation("high", "dormant", True, True, True), "win_back_call"),
        (Situation("low", "lost", True, False, True), "farewell_on_visit"),
        (Situation("mid", "won_back", False, False, True), "welcome_back"),
        (Situation("select", "mature", False, True, True), "advisor_call"),
        (Situation("select", "mature", False, False, True), "invite_to_circle"),
        (Situation("mid", "growing", False, False, True), "seasonal_offer"),
    ],
)
def test_worked_examples_of_playbooks(situation: Situation, action: str) -> None:
    assert PLAYS.resolve(situation).action == action


def changed(file: str, *path: str | int, to: object) -> dict[str, object]:
    """The shipped file with one value replaced, or taken out where it is None."""
    content = yaml.safe_load((CONFIG / file).read_text(encoding="utf-8"))
    place = content
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return content


@pytest.mark.parametrize(
    ("path", "to", "told"),
    [
        (("rfm", "segments", 10), None, "no segment names"),
        (("rfm", "segments", 0, "recency"), [6, 6], "less than or equal to 5"),
        (("rfm", "segments", 1), {"name": "all"}, "earlier segments leave nothing"),
        (("value_weights", "monetary"), 0.6, "sum to 1.1"),
        (("cuts", "mid_share"), 0.9, "more than everyone"),
        (("activity", "lost_days"), 30, "must hold"),
        (("clv", "refit_day"), 30, "Extra inputs"),
    ],
)
def test_tier_rules_that_cannot_hold_are_refused(
    path: tuple[str | int, ...], to: object, told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        TiersConfig.model_validate(changed("tiers.yml", *path, to=to))


@pytest.mark.parametrize(
    ("path", "to", "told"),
    [
        (("actions", -1), None, "no action fits"),
        (("actions", 0, "when"), {}, "earlier actions leave nothing"),
        (("actions", 0, "mode"), "owl", "Input should be"),
    ],
)
def test_playbooks_that_leave_somebody_out_are_refused(
    path: tuple[str | int, ...], to: object, told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        PlaybooksConfig.model_validate(changed("playbooks.yml", *path, to=to))


def test_any_changed_rule_changes_the_fingerprint() -> None:
    other = changed("tiers.yml", "cuts", "select_share", to=0.04)
    again = changed("tiers.yml", "version", to="1")

    assert TiersConfig.model_validate(other).fingerprint != RULES.fingerprint
    assert TiersConfig.model_validate(again).fingerprint == RULES.fingerprint
