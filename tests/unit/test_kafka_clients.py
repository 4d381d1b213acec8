"""What we set inside aiokafka, and what is made of a connection's settings."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka.errors import ConcurrentTransactions
from aiokafka.producer.sender import AddPartitionsToTxnHandler
from aiokafka.protocol.metadata import MetadataRequest, MetadataRequest_v5
from pydantic import SecretStr

from switchboard.kafka.aiokafka_patches import TokenFile
from switchboard.kafka.clients import Connection, options


def test_the_wait_between_transactions_is_still_ours() -> None:
    """When the last transaction's markers are still being written, aiokafka waits the 2 ms that we set, not its 20."""
    transaction = SimpleNamespace(txn_partitions=set())
    waiting = AddPartitionsToTxnHandler(SimpleNamespace(_txn_manager=transaction, _retry_backoff=5), set())
    answer = SimpleNamespace(errors=[("journal", [(0, ConcurrentTransactions.errno)])])
    assert waiting.handle_response(answer) == 0.002


def test_no_client_asks_for_a_topic_to_be_made() -> None:
    """Brokers make unknown topics for whoever asks about them, unless the request says not to: ours do."""
    assert MetadataRequest(["typo"]).build(MetadataRequest_v5).allow_auto_topic_creation is False


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_password_reaches_the_client_and_no_log(mechanism: str) -> None:
    """SASL by password: the client is told it, and the connection does not show it."""
    conn = Connection(
        "kafka:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism=mechanism,  # type: ignore[arg-type] # parametrized
        sasl_username="router",
        sasl_password=SecretStr("hush-hush"),
    )
    told = options(conn)
    assert (told["sasl_mechanism"], told["sasl_plain_username"]) == (mechanism, "router")
    assert told["sasl_plain_password"] == "hush-hush"  # noqa: S105 - made up
    assert told["ssl_context"].check_hostname
    assert "hush-hush" not in repr(conn)


async def test_a_token_is_read_anew_for_each_connection(tmp_path: Path) -> None:
    """OAUTHBEARER: a token that was renewed in its file is what the next connection presents."""
    path = tmp_path / "token"
    path.write_text("first\n")
    conn = Connection("kafka:9093", security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", sasl_token_file=path)
    provider = options(conn)["sasl_oauth_token_provider"]
    assert isinstance(provider, TokenFile)
    assert await provider.token() == "first"
    path.write_text("second\n")
    assert await provider.token() == "second"
