"""Great Expectations' own view of a validation, as HTML. Importing this imports it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from great_expectations.core.expectation_validation_result import (
    expectationSuiteValidationResultSchema,
)
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaSectionView


def sections(document: Mapping[str, Any]) -> Iterator[str]:
    """The sections of one suite's page: overview, table, then column by column."""
    result = expectationSuiteValidationResultSchema.load(dict(document))
    renderer, view = _renderer()
    for number, section in enumerate(renderer.render(result).sections, start=1):
        place = {"index": number}
        yield view.render({"section": section.to_json_dict(), "section_loop": place})


@cache
def _renderer() -> tuple[Any, Any]:
    return ValidationResultsPageRenderer(
        run_info_at_end=True
    ), DefaultJinjaSectionView()
