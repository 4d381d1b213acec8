"""The AsyncAPI document covers every topic and every message, and all that it refers to is there."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import yaml

from switchboard.domain.events import EVENT_TYPES
from switchboard.journal.cloudevents import decision_headers
from switchboard.journal.codec import REASONS
from switchboard.journal.frames import JOURNAL_HEADERS
from switchboard.journal.schemas import load, root
from tests.contract.golden import DECISION_FIELDS

TOPICS = {
    "chat-arrival": {"chat-arrival"},
    "chat-accepted": {"chat-accepted"},
    "request-chat": {"request-chat"},
    "chat-lifecycle": {"chat-declined", "chat-abandoned", "chat-concluded", "chat-released", "chat-transferred"},
    "agent-presence": {
        *("agent-logged-in", "agent-logged-out", "agent-status-changed", "agent-absent", "agent-present"),
        *("agent-lost", "agent-heartbeat", "agent-capacity-changed", "request-cancelled"),
    },
    "routing-config": {"pool-configured"},
    "assignment": DECISION_FIELDS.keys() - {"chat-requested"},
    "push-request": {"chat-requested"},
    "agent-capacity": {"agent-capacity-row"},
    "open-chats": {"open-chats-row"},
    "shard-progress": {"progress-row"},
    "journal": {"journal-frame"},
    "dead-letter": {"dead-letter-record"},
}
"""Every topic of the contract and the messages on it."""


@cache
def document() -> dict[str, Any]:
    """The document, read once."""
    read: dict[str, Any] = yaml.safe_load((root() / "asyncapi.yaml").read_text())
    return read


def references(value: Any) -> Iterator[str]:
    """Every `$ref` in the document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(reference: str) -> Any:
    """What a `$ref` leads to."""
    file, _, pointer = reference.partition("#")
    here: Any = load()[file.removeprefix("./")] if file else document()
    for step in pointer.split("/")[1:]:
        here = here[step]
    return here


def test_it_is_asyncapi_3() -> None:
    """With the parts that the specification requires."""
    assert document()["asyncapi"] == "3.0.0"
    assert {"title", "version", "description", "license"} <= document()["info"].keys()


def test_every_topic_is_a_channel_with_its_messages() -> None:
    """No topic is missing, none is invented."""
    channels = document()["channels"]
    assert {name: set(channel["messages"]) for name, channel in channels.items()} == TOPICS
    for name, channel in channels.items():
        assert channel["address"] == name
        assert channel["description"]


def test_every_reference_leads_somewhere() -> None:
    """Inside the document, or to a file beside the document."""
    lost = []
    for reference in sorted(set(references(document()))):
        try:
            found = resolved(reference)
        except KeyError:
            found = None
        if not found:
            lost.append(reference)
    assert lost == []


def test_switchboard_receives_what_the_bus_sends_and_sends_the_rest() -> None:
    """One operation a channel, seen from Switchboard."""
    actions = {op["channel"]["$ref"].rsplit("/", 1)[1]: op["action"] for op in document()["operations"].values()}
    assert actions.keys() == TOPICS.keys()
    assert {name for name, action in actions.items() if action == "receive"} == {
        *("chat-arrival", "chat-accepted", "request-chat", "chat-lifecycle", "agent-presence", "routing-config")
    }


def test_every_event_decision_and_row_has_its_schema_as_payload() -> None:
    """The message's payload is the file that is enforced."""
    files = {
        **{name: f"events/{name}.json" for name in EVENT_TYPES},
        **{name: f"decisions/{name}.json" for name in DECISION_FIELDS},
        "agent-capacity-row": "rows/agent-capacity.json",
        "open-chats-row": "rows/open-chats.json",
        "journal-frame": "journal-frame.json",
    }
    messages = document()["components"]["messages"]
    told = {name: each["payload"]["schema"]["$ref"] for name, each in messages.items() if "schema" in each["payload"]}
    assert told == {name: f"./{path}" for name, path in files.items()}
    assert messages.keys() == set().union(*TOPICS.values())
    for name, path in files.items():
        assert messages[name]["payload"]["schemaFormat"] == "application/schema+json;version=draft-2020-12"
        assert messages[name]["summary"] == load()[path]["description"]


def test_every_message_says_what_its_key_is_but_the_journals_which_has_none() -> None:
    """Who partitions or compacts by key must know it."""
    for name, message in document()["components"]["messages"].items():
        if name == "journal-frame":
            assert "bindings" not in message
        else:
            assert message["bindings"]["kafka"]["key"]["description"], name


def test_the_compacted_topics_are_those_of_the_contract() -> None:
    """Where only the latest value of a key is kept."""
    compacted = {name for name, channel in document()["channels"].items() if "bindings" in channel}
    assert compacted == {"routing-config", "agent-capacity", "open-chats", "shard-progress"}


def test_the_headers_are_those_that_are_written() -> None:
    """Of decisions, of the journal, and the reasons of dead letters."""
    schemas = document()["components"]["schemas"]
    written = decision_headers("x/0/1/0", "chat-queued", "x", "2026-03-01T08:00:15.000Z", b"c")
    said = schemas["decisionHeaders"]
    assert list(said["properties"]) == said["required"] == [name for name, _ in written]
    jsonschema_rs.validate(said, {name: value.decode() for name, value in written})
    assert set(schemas["journalHeaders"]["properties"]) == {name for name, _ in JOURNAL_HEADERS}
    assert schemas["deadLetterHeaders"]["properties"]["reason"]["enum"] == list(REASONS)
