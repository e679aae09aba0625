"""The rules of ``config/playbooks.yml``: what to do next for whom."""

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from strata.config.tiers import LIFECYCLES, TIERS, Lifecycle, Name, Rules, Tier

Layer = Literal["benefit", "growth", "social_capital"]
Trigger = Literal["new_7_days", "dormant", "high_value", "always"]
Mode = Literal["automated", "human", "scenario"]


class Situation(NamedTuple):
    """What an action is chosen by."""

    tier: Tier
    lifecycle: Lifecycle
    is_dormant: bool
    is_at_risk: bool
    consent_marketing: bool


def situations() -> Iterator[Situation]:
    """Every situation there is, in a fixed order: the last field varies fastest."""
    flags = (False, True)
    for cell in product(TIERS, LIFECYCLES, flags, flags, flags):
        yield Situation(*cell)


class Condition(Rules):
    """When an action fits; what is not named does not matter."""

    tiers: tuple[Tier, ...] | None = None
    lifecycles: tuple[Lifecycle, ...] | None = None
    is_dormant: bool | None = None
    is_at_risk: bool | None = None
    consent_marketing: bool | None = None

    def holds(self, situation: Situation) -> bool:
        """Whether every named condition is met."""
        return (
            (self.tiers is None or situation.tier in self.tiers)
            and (self.lifecycles is None or situation.lifecycle in self.lifecycles)
            and self.is_dormant in (None, situation.is_dormant)
            and self.is_at_risk in (None, situation.is_at_risk)
            and self.consent_marketing in (None, situation.consent_marketing)
        )


class Action(Rules):
    """One play: the layer it protects, what sets it off, and who carries it out."""

    action: Name
    layer: Layer
    trigger: Trigger
    mode: Mode
    when: Condition = Condition()


class PlaybooksConfig(Rules):
    """``config/playbooks.yml``: the first action whose condition holds is taken."""

    version: Annotated[str, Field(pattern=r"^[0-9a-z.]+$")]
    actions: tuple[Action, ...]

    @model_validator(mode="after")
    def _everyone_has_an_action(self) -> Self:
        taken: set[str] = set()
        for situation in situations():
            action = self._first(situation)
            if action is None:
                raise ValueError(f"no action fits {situation}")
            taken.add(action.action)
        unused = [item.action for item in self.actions if item.action not in taken]
        if unused:
            raise ValueError(f"earlier actions leave nothing for {unused}")
        return self

    def resolve(self, situation: Situation) -> Action:
        """The one action for a situation."""
        action = self._first(situation)
        assert action is not None  # the validator saw every situation
        return action

    def _first(self, situation: Situation) -> Action | None:
        return next((a for a in self.actions if a.when.holds(situation)), None)
