"""Decisions go out in CloudEvents' binary mode."""

from switchboard.journal.cloudevents import decision_headers


def test_a_decisions_headers_are_cloudevents_in_binary_mode() -> None:
    """All that the contract names, in UTF-8."""
    headers = decision_headers(
        "münchen/0/17/2", "chat-assigned", "support", "2026-03-01T08:00:15.000Z", "Grüße".encode()
    )
    assert headers == [
        ("ce_id", "münchen/0/17/2".encode()),
        ("ce_source", b"/switchboard/support"),
        ("ce_type", b"chat-assigned"),
        ("ce_specversion", b"1.0"),
        ("ce_time", b"2026-03-01T08:00:15.000Z"),
        ("ce_subject", "Grüße".encode()),
        ("content-type", b"application/json"),
    ]
