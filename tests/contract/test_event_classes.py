"""The class of each event type has the fields of its schema."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import pytest

from switchboard.domain.events import FIELDS_OF
from switchboard.journal.schemas import EVENT_SHAPES


@pytest.mark.parametrize("name", FIELDS_OF)
def test_a_class_has_the_fields_of_its_schema(name: str) -> None:
    """Without `type` and `pool`; a field that the schema does not require has the default None."""
    schema: Mapping[str, Any] = EVENT_SHAPES[name].schema
    known = set(schema["properties"]) - {"type", "pool"}
    of_class = fields(FIELDS_OF[name])
    assert {each.name for each in of_class} == known
    assert {each.name for each in of_class if each.default is MISSING} == set(schema["required"]) - {"pool"}
    assert all(each.default is None for each in of_class if each.default is not MISSING)
