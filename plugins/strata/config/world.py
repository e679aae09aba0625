"""``config/worlds/<name>.yml``: one tenant: its day, its systems, its CRM."""

from datetime import date
from typing import Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class CrmRecord(BaseModel):
    """Which source records are the CRM's, so that a tier finds its row there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    entity: str


class WorldConfig(BaseModel):
    """A tenant. Everything that differs between tenants and is no secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str
    timezone: str
    data: str | None = Field(
        default=None,
        description="data folder; {home} is the tenant's home; null: DATA= says it",
    )
    generated: bool = Field(
        default=False, description="the sample generator writes it, day by day"
    )
    systems: dict[str, tuple[str, ...] | Literal["all"]] = Field(
        description="the systems this tenant has, with the entities of each"
    )
    first_day: date | None = Field(
        default=None,
        description="the first day with data: a run for a day before it is refused",
    )
    last_day: date | None = Field(
        default=None, description="the day a run is for when nobody says"
    )
    look_back_days: int = Field(
        default=3,
        ge=0,
        description="rows that come later than this are counted, and a person is told",
    )
    consent_default: bool = Field(
        description="what a person without any consent record has agreed to"
    )
    public_data: bool = Field(
        default=False,
        description="invented or published data: a known pseudonym key may be used",
    )
    crm_record: CrmRecord

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone, e.g. Asia/Shanghai")
        ZoneInfo(value)
        return value

    @model_validator(mode="after")
    def _has_a_crm(self) -> Self:
        if self.crm_record.system not in self.systems:
            raise ValueError(
                f"crm_record.system {self.crm_record.system!r} is not among systems"
            )
        return self
