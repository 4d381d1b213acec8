"""The files of `schemas/` are the contract, and the golden samples keep to them."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest

from switchboard.domain import decisions
from switchboard.domain.events import EVENT_TYPES
from switchboard.journal import schemas
from switchboard.journal.schemas import Fault, Shape, compiled, first_fault, load, root, shape_of
from tests.contract.golden import (
    DECISION_FIELDS,
    EVENT_FIELDS,
    PATHS,
    ROW_FIELDS,
    Sample,
    differences,
    file_id,
    sample_files,
    samples,
    samples_in,
)


@pytest.mark.parametrize("file", sample_files("good"), ids=file_id)
def test_the_good_samples_of_a_file_keep_to_their_schema(file: Path) -> None:
    """A sample that was valid once stays valid: samples are added, never changed."""
    faults = {str(sample): _fault(sample, sample.body) for sample in samples_in(file)}
    assert {name: fault for name, fault in faults.items() if fault is not None} == {}


@pytest.mark.parametrize("file", sample_files("bad"), ids=file_id)
def test_the_bad_samples_of_a_file_are_refused_with_reason_pointer_and_rule(file: Path) -> None:
    """The detail begins with the JSON Pointer and the rule, and is printable."""
    assert differences(samples_in(file), lambda sample: _fault(sample, sample.body["value"])) == {}


def _fault(sample: Sample, value: Any) -> Fault | None:
    path = PATHS[sample.name]
    return first_fault(value, compiled(path), shape_of(path))


def test_every_schema_has_good_samples_and_every_event_has_bad_ones() -> None:
    """A type that is added without samples is noticed."""
    assert {sample.name for sample in samples("good")} == PATHS.keys() - {"common"}
    assert {sample.name for sample in samples("bad")} == {*EVENT_TYPES, "journal-frame"}


def test_every_event_requires_and_knows_the_fields_of_the_contract() -> None:
    """Fields may be added; none is lost, and what is required neither grows nor shrinks."""
    assert EVENT_FIELDS.keys() == set(EVENT_TYPES)
    for name, (required, optional) in EVENT_FIELDS.items():
        schema = load()[f"events/{name}.json"]
        assert set(schema["required"]) == required, name
        assert schema["properties"].keys() >= required | optional | {"type", "pool"}, name
        assert "additionalProperties" not in schema, name


def test_every_decision_has_the_fields_of_the_contract_in_their_order() -> None:
    """Consumers see id, type, pool, at, then the type's own fields, all of them always."""
    assert {path for path in load() if path.startswith("decisions/")} == {
        f"decisions/{n}.json" for n in DECISION_FIELDS
    }
    for name, fields in DECISION_FIELDS.items():
        schema = load()[f"decisions/{name}.json"]
        assert tuple(schema["properties"]) == ("id", "type", "pool", "at", *fields), name
        assert schema["required"] == list(schema["properties"]), name
        assert schema["properties"]["type"] == {"const": name}


def test_the_engines_decisions_have_the_schemas_fields_in_their_order() -> None:
    """What the engine makes is what the schemas say: so encoding one is one call."""
    for made in get_args(decisions.Decision):
        fields = {field.name: field.type for field in dataclasses.fields(made)}
        (name,) = get_args(fields["type"])
        schema = load()[f"decisions/{name}.json"]
        assert list(fields) == list(schema["properties"]), name
    why = load()["decisions/chat-assigned.json"]["properties"]["why"]
    assert [field.name for field in dataclasses.fields(decisions.Why)] == list(why["properties"]) == why["required"]


def test_the_engines_reasons_are_those_of_the_schemas() -> None:
    """No decision can give a reason that its schema does not know."""
    for made in get_args(decisions.Decision):
        fields = {field.name: field.type for field in dataclasses.fields(made)}
        if "reason" in fields:
            (name,) = get_args(fields["type"])
            assert list(get_args(fields["reason"])) == load()[f"decisions/{name}.json"]["properties"]["reason"]["enum"]


def test_every_row_has_the_fields_of_the_contract_in_their_order() -> None:
    """The public fields first, then what is the router's own."""
    for name, fields in ROW_FIELDS.items():
        schema = load()[f"rows/{name}.json"]
        assert tuple(schema["properties"]) == fields == tuple(schema["required"])


def test_a_configurations_defaults_are_those_of_the_routing_rules() -> None:
    """The schema's annotations say what holds where a field is not given."""
    config = schemas.EVENT_SHAPES["pool-configured"].fields["config"]

    def defaults(shape: Shape | None) -> dict[str, Any]:
        assert shape is not None
        return {name: each.schema["default"] for name, each in shape.fields.items() if "default" in each.schema}

    assert defaults(config) == {"seed": "", "implicit_login": True, "absent_after": 0, "lost_after": 0}
    assert defaults(config.fields["queues"].items) == {"max_wait": 1800, "overflow_after": 0}
    assert defaults(config.fields["profiles"].items) == {
        "mode": "push",
        "max_sessions": 3,
        "pull_policy": "first-due",
        "offer_timeout": 15,
        "auto_decline": True,
        "allow_decline": True,
        "delay_between_chats": 0,
        "wrap_up": True,
        "wrap_up_limit": 0,
        "reoffer_after": 30,
        "max_missed_offers": 3,
        "starvation_limit": 0,
    }


def test_every_schema_is_json_schema_2020_12_with_local_references_only() -> None:
    """No validator needs the network, and editors find what is referred to."""
    for path, schema in load().items():
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema", path
        jsonschema_rs.meta.validate(schema)
        text = json.dumps(schema)
        assert text.count("://") == 1, path  # $schema itself
        for file in re.findall(r'"\$ref": "([^"#]+)', text):
            assert ((root() / path).parent / file).is_file(), path


def test_of_several_faults_a_time_is_told_last() -> None:
    """`bad-time` says that nothing else is wrong."""
    fault = schemas.check("chat-arrival", {"chat_id": "c", "arrived_at": "soon", "queue": ""})
    assert fault is not None
    assert (fault.reason, fault.pointer) == ("schema", "/queue")
    every = schemas.event_faults("chat-arrival", {"chat_id": "c", "arrived_at": "soon", "queue": ""})
    assert {fault.reason for fault in every} == {"schema", "bad-time"}


def test_a_value_nested_too_deep_for_the_check_is_a_fault_not_a_crash() -> None:
    """The compiled check gives up at some depth; that is no reason to stop a shard."""
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    fault = schemas.check("chat-arrival", {"chat_id": "c", "attributes": {"x": deep}})
    assert fault is not None
    assert fault.reason == "schema"
    assert schemas.check("chat-arrival", {"chat_id": "c", "unknown": deep}) is None


def test_a_fault_quotes_little_and_nothing_that_upsets_a_terminal() -> None:
    """Details go into headers and onto screens."""
    fault = schemas.check(
        "chat-arrival", {"chat_id": "c", "attributes": {"\x1b[2J" + "k" * 5000: ["\x1b", "x" * 5000]}}
    )
    assert fault is not None
    assert len(fault.detail) <= 500
    assert fault.detail.isprintable()


def test_only_known_fields_are_kept_and_whole_numbers_are_ints() -> None:
    """3.0 is a whole number to JSON Schema; the journal says 3. What no schema knows is left out, at any depth."""
    assert repr(schemas.known("agent-logged-in", {"x": 1, "max_sessions": 3.0, "pool": "p", "agent_id": "a"})) == repr(
        {"agent_id": "a", "max_sessions": 3}
    )
    config = {
        "owner": "x",
        "queues": [{"max_wait": 60.0, "colour": "blue", "name": "q"}],
        "profiles": [{"name": "p", "offer_timeout": 15.0, "queues": ["q"]}],
    }
    assert repr(schemas.known("pool-configured", {"pool": "p", "config": config})["config"]) == repr(
        {
            "queues": [{"name": "q", "max_wait": 60}],
            "profiles": [{"name": "p", "queues": ["q"], "offer_timeout": 15}],
        }
    )
