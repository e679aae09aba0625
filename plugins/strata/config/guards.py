"""``guards:`` of ``config/identity.yml``: what a resolution may never look like."""

from pydantic import BaseModel, ConfigDict, Field


class GuardRules(BaseModel):
    """The limits that stop a run before its identities are published.

    ``accounts_a_user`` counts records with an identifier of their own, so a shopper
    with a thousand receipts is no large profile. A day may merge ``merged_share`` of
    the users known the day before, and ``merged_users`` in any case.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    accounts_a_user: int = Field(default=100, ge=1)
    ids_a_user: int = Field(default=50, ge=1)
    merged_share: float = Field(default=0.02, gt=0, le=1)
    merged_users: int = Field(default=20, ge=0)
