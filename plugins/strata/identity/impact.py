"""What a day's changes of identity did: to people, their tiers and their CRM records."""

from dataclasses import dataclass

OF_DAY = """
    select
        count(distinct old_id) filter (where cause = 'merged') as merged,
        count(distinct new_id) filter (where cause = 'split') as split,
        count(distinct new_id) filter (where cause = 'late_anchor') as late_anchored,
        count(distinct new_id) filter (where is_tier_changed) as other_tier,
        coalesce(sum(crm_records_changed), 0)::bigint as crm_records_changed,
    from identity.merge_impact
    where ds = ?
"""
"""One row for a day: the columns of ``Impact``."""


@dataclass(frozen=True)
class Impact:
    """One day's sums of ``identity.merge_impact``.

    ``merged`` users became one with others, ``split`` came out of others, and
    ``late_anchored`` gained records of nobody known. ``other_tier`` of all these have
    another tier than on the day before; ``crm_records_changed`` were sent.
    """

    merged: int
    split: int
    late_anchored: int
    other_tier: int
    crm_records_changed: int

    @property
    def has_any(self) -> bool:
        """Whether anybody's identity changed at all."""
        return bool(self.merged or self.split or self.late_anchored)
