"""How people come to an order: the section ``journeys`` of ``config/features.yml``."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Rows = Literal["journey_days", "contact_days"]
"""Rows of a user's day beside ``daily_activity``, of which measures are made."""

CONTACT_KINDS = ("sent", "opened", "clicked")


class Journeys(BaseModel):
    """Funnel, carts, touches before an order, invitations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    funnel_steps: tuple[str, ...] = Field(min_length=2)
    """Event types in order; the last is ``order``, a counted order."""
    cart_step: str
    cart_hours: int = Field(ge=1, le=24)
    touch_days: int = Field(ge=1, le=90)
    history_days: int = Field(ge=91)
    """Days that the marts of journeys look back from the newest day."""
    smallest_cell: int = Field(ge=5)
    """Aggregates over fewer users than this are withheld."""
    referral_levels: int = Field(ge=1, le=9)
    contact_channels: dict[str, tuple[str, ...]]
    """Touchpoints of marketing by the name that features have for them."""

    def columns(self, rows: Rows) -> frozenset[str]:
        """The additive columns that ``rows`` have."""
        if rows == "journey_days":
            reached = [f"reached_{step}" for step in self.funnel_steps]
            carts = ["bought_carts", "abandoned_carts", "abandoned_cart_amount"]
            return frozenset([*reached, *carts])
        counts = [f"{c}_{k}" for c in self.contact_channels for k in CONTACT_KINDS]
        return frozenset([*counts, "contact_cost"])

    @model_validator(mode="after")
    def _steps_end_in_an_order(self) -> Self:
        if self.funnel_steps[-1] != "order" or "order" in self.funnel_steps[:-1]:
            raise ValueError("funnel_steps: the last, and only the last, is `order`")
        if len(set(self.funnel_steps)) < len(self.funnel_steps):
            raise ValueError("funnel_steps: each stands there once")
        if self.cart_step not in self.funnel_steps[:-1]:
            raise ValueError(f"cart_step: {self.cart_step} is none of funnel_steps")
        return self

    @model_validator(mode="after")
    def _touchpoints_have_one_channel(self) -> Self:
        listed = [t for names in self.contact_channels.values() for t in names]
        twice = sorted({t for t in listed if listed.count(t) > 1})
        if twice:
            raise ValueError(f"contact_channels: in more than one: {twice}")
        return self
