"""One test for each place where Switchboard reaches into aiokafka: it fails when the library changes there."""

import inspect
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import conn as connection_module
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import ConcurrentTransactions
from aiokafka.producer.sender import AddPartitionsToTxnHandler, Sender
from aiokafka.protocol.metadata import MetadataRequest as MetadataRequestUpTo5
from aiokafka.protocol.metadata import MetadataRequest_v5

from switchboard.kafka import aiokafka_patches
from switchboard.kafka.record_batches import BoundedRecords

aiokafka_patches.apply()


@pytest.fixture
async def client() -> AsyncIterator[AIOKafkaClient]:
    """A client that is not started."""
    made = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    yield made
    await made.close()


def test_a_producer_waits_two_ms_between_transactions() -> None:
    """While the markers of the last transaction are written, aiokafka waits our 2 ms, not its 20."""
    transaction = SimpleNamespace(txn_partitions=set())
    handler = AddPartitionsToTxnHandler(SimpleNamespace(_txn_manager=transaction, _retry_backoff=5), set())
    answer = SimpleNamespace(errors=[("journal", [(0, ConcurrentTransactions.errno)])])
    assert handler.handle_response(answer) == aiokafka_patches.TRANSACTION_WAIT_SECONDS


def test_no_client_asks_for_a_topic_to_be_created() -> None:
    """Brokers create unknown topics unless the metadata request forbids it."""
    assert MetadataRequestUpTo5(["typo"]).build(MetadataRequest_v5).allow_auto_topic_creation is False


async def test_a_connection_authenticates_with_our_class() -> None:
    """A connection with OAUTHBEARER makes its authenticator by the name that `apply` replaces."""
    conn = connection_module.AIOKafkaConnection("127.0.0.1", 1, sasl_oauth_token_provider=None)
    assert isinstance(conn.authenticator_oauth(), aiokafka_patches.ChallengeAuthenticator)


async def test_an_error_challenge_is_acknowledged() -> None:
    """RFC 7628, 3.2.3; without the acknowledgement the broker never fails the log-in."""
    authenticator = aiokafka_patches.ChallengeAuthenticator(sasl_oauth_token_provider=None)
    assert await authenticator.step(b'{"status":"invalid_token"}') == (b"\x01", True)


def test_batches_are_read_by_our_classes() -> None:
    """The fetcher looks its reader of batches up by the name that `apply` replaces."""
    assert fetcher.MemoryRecords is BoundedRecords
    names = {
        name
        for value in vars(fetcher.Fetcher).values()
        if inspect.isfunction(value)
        for name in value.__code__.co_names
    }
    assert "MemoryRecords" in names


async def test_a_fetcher_is_closed_by_our_function(client: AIOKafkaClient) -> None:
    """A real fetcher has all attributes that `close_fetcher` uses, and its task ends."""
    made = fetcher.Fetcher(client, SubscriptionState())
    await made.close()
    assert made._closed
    assert made._fetch_task.done()


async def test_a_client_has_what_bootstrap_uses(client: AIOKafkaClient) -> None:
    """`bootstrap` takes the place of the library's method, which uses the same attributes."""
    assert AIOKafkaClient.bootstrap is aiokafka_patches.bootstrap
    used = [name for name in aiokafka_patches._request_metadata.__code__.co_names if name.startswith("_")]
    assert len(used) == 11
    for name in (*used, "_conns", "_sync_task", "_md_synchronizer", "hosts"):
        assert hasattr(client, name), name


async def test_a_consumer_has_what_learn_and_close_use() -> None:
    """`set_topics` and `close` of the consumer's client."""
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    assert inspect.iscoroutinefunction(consumer._client.close)
    assert "topics" in inspect.signature(consumer._client.set_topics).parameters
    await consumer.stop()


def test_heartbeats_go_through_the_method_that_is_observed() -> None:
    """The heartbeat routine calls `_do_heartbeat`; a rebalance under way completes `_rejoin_needed_fut`."""
    assert inspect.iscoroutinefunction(GroupCoordinator._do_heartbeat)
    assert "_do_heartbeat" in GroupCoordinator._heartbeat_routine.__code__.co_names
    assert "_rejoin_needed_fut" in GroupCoordinator.request_rejoin.__code__.co_names


async def test_a_producer_has_what_abandoning_uses() -> None:
    """The task of the sender, its local variable `tasks`, and the flag that stops later sends."""
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    assert producer._sender.sender_task is None
    assert producer._closed is False
    assert "tasks" in Sender._sender_routine.__code__.co_varnames
    assert aiokafka_patches.sender_error(producer) is None
    await aiokafka_patches.abandon_producer(producer, 1)
    assert producer._closed


async def test_an_admin_client_has_what_pinning_uses() -> None:
    """Each request goes to `get_random_node()` of the inner client; `ready` connects to one broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers="127.0.0.1:1")
    assert "get_random_node" in admin._send_request.__func__.__code__.co_names
    assert inspect.iscoroutinefunction(admin._client.ready)
    assert inspect.iscoroutinefunction(admin._client.coordinator_lookup)
    assert await aiokafka_patches.pin_to_answering_broker(admin) == []
    await admin.close()


def test_a_metadata_request_of_version_8_asks_for_the_operations() -> None:
    """Field by field as in Kafka's protocol guide: topics, auto creation, operations of cluster and topics."""
    request = aiokafka_patches.MetadataRequest(["a"]).build(aiokafka_patches._MetadataRequestStruct)
    assert request.encode() == b"\x00\x00\x00\x01\x00\x01a\x00\x00\x01"
