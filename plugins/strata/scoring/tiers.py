"""Tiers, flags, lifecycle and next action of every user, version 1."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.config.playbooks import PlaybooksConfig, Situation, situations
from strata.config.tiers import LIFECYCLES, TIERS
from strata.scoring.ranks import Flags, cut, standing
from strata.scoring.snapshot import Snapshot

Names = NDArray[np.object_]


def assign_tiers(snapshot: Snapshot, playbooks: PlaybooksConfig) -> pd.DataFrame:
    """One row a user, in the order of ``snapshot.users``.

    The business columns of ``segments.user_tiers`` but is_value_alarm, which this
    version does not know, and what is the same for every user.
    """
    tier, lifecycle = tiers(snapshot), lifecycles(snapshot)
    dormant, at_risk = is_dormant(snapshot), is_at_risk(snapshot)
    users = snapshot.users
    marketing = users["consent_marketing"].to_numpy(dtype=bool)
    action, mode = _next_actions(
        (tier, lifecycle, dormant, at_risk, marketing), playbooks
    )
    previous = users["previous_tier"].to_numpy(dtype=object)
    since = users["previous_valid_from"].to_numpy(dtype="datetime64[D]")
    return pd.DataFrame(
        {
            "unified_user_id": users["unified_user_id"],
            "tier": tier,
            "rfm_segment": snapshot.rfm.segment,
            "lifecycle": lifecycle,
            "is_dormant": dormant,
            "is_at_risk": at_risk,
            "value_rank": snapshot.value.rank,
            "previous_tier": previous,
            "valid_from": np.where(tier == previous, since, np.datetime64(snapshot.ds)),
            "next_action": action,
            "next_action_mode": mode,
        }
    )


def tiers(snapshot: Snapshot) -> Names:
    """The tier of each user: cuts of the value rank, with the potential in between.

    Shares are of all users. Where equals straddle a cut they all fall below it: no
    tier from above takes more than its share, and equals by value never part there.
    """
    cuts, size = snapshot.rules.cuts, len(snapshot.users)
    ranked = standing(snapshot.value.rank, snapshot.everyone)
    is_select = ranked.in_top(cuts.select_share)
    is_top = ranked.in_top(cuts.select_share + cuts.high_share)
    has_potential = _grows_most(snapshot) | _buys_big(snapshot)
    left = standing(snapshot.value.rank, ~is_top & ~has_potential)
    is_mid = left.in_first(cut(cuts.mid_share, size))
    return _choose(
        (is_select, "select"),
        (is_top, "high"),
        (has_potential, "potential"),
        (is_mid, "mid"),
        otherwise="low",
    )


def is_dormant(snapshot: Snapshot) -> Flags:
    """Who did nothing for as long as the rules say."""
    return snapshot.silent_days >= snapshot.rules.activity.dormant_days


def is_at_risk(snapshot: Snapshot) -> Flags:
    """Who is silent for longer than some of the user's own median gaps.

    Without a rhythm of one's own (fewer than three active days) there is no telling.
    """
    gap = snapshot.column("median_gap_days")
    return np.asarray(snapshot.silent_days > snapshot.rules.activity.at_risk_gaps * gap)


def lifecycles(snapshot: Snapshot) -> Names:
    """Where each user is in the course of things; the first that fits holds.

    Won back is who was dormant or lost in the tiers before, or within the days that
    a return is remembered, and was active again within as many days.
    """
    rules, silent = snapshot.rules.activity, snapshot.silent_days
    slept = snapshot.users["was_asleep"].to_numpy(dtype=bool)
    return _choose(
        (snapshot.column("tenure_days") < rules.new_days, "new"),
        (silent >= rules.lost_days, "lost"),
        (silent >= rules.dormant_days, "dormant"),
        (slept & (silent <= rules.won_back_days), "won_back"),
        (snapshot.growth > rules.growing_above, "growing"),
        otherwise="mature",
    )


def _grows_most(snapshot: Snapshot) -> Flags:
    grown = standing(snapshot.growth, snapshot.everyone)
    share = snapshot.rules.cuts.potential_growth_share
    return grown.in_top(share) & (snapshot.growth > 0)


def _buys_big(snapshot: Snapshot) -> Flags:
    """Top buyers of the last 365 days by order value, with few orders ever."""
    cuts, order_value = snapshot.rules.cuts, snapshot.column("avg_order_value_365d")
    valued = standing(order_value, snapshot.column("order_count_365d") > 0)
    few = snapshot.column("order_count_total") <= cuts.potential_max_orders
    return valued.in_top(cuts.potential_order_value_share) & few


def _choose(*cases: tuple[Flags, str], otherwise: str) -> Names:
    chosen = np.full(cases[0][0].size, otherwise, dtype=object)
    for holds, name in reversed(cases):
        chosen[holds] = name
    return chosen


def _next_actions(
    described: Sequence[Names | Flags], playbooks: PlaybooksConfig
) -> tuple[Names, Names]:
    """Action and mode of each user, looked up in a table of all situations."""
    plays = [playbooks.resolve(situation) for situation in situations()]
    levels: tuple[tuple[str | bool, ...], ...] = (
        TIERS,
        LIFECYCLES,
        *((False, True) for _ in range(len(Situation._fields) - 2)),
    )
    place = np.zeros(described[0].size, dtype=np.intp)
    for values, level in zip(described, levels, strict=True):
        place *= len(level)
        for number, name in enumerate(level):
            place[values == name] += number
    actions = np.array([play.action for play in plays], dtype=object)
    modes = np.array([play.mode for play in plays], dtype=object)
    return actions[place], modes[place]
