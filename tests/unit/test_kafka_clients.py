"""The options that a connection gives to the clients."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from switchboard.kafka.clients import Connection, TokenFile, options


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
