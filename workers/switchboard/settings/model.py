"""All settings of Switchboard: type, bounds, default and meaning of each."""

import ipaddress
import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from switchboard.errors import SettingsError
from switchboard.journal.files import MAX_CERTIFICATES_BYTES, MAX_SECRET_BYTES, read_text
from switchboard.journal.limits import Limits, UnconfiguredPools
from switchboard.kafka.batch_codecs import BatchLimits
from switchboard.kafka.clients import Connection, SaslMechanism, SecurityProtocol
from switchboard.kafka.ownership import SESSION_TIMEOUT_MS
from switchboard.kafka.topics import TopicNames, TopicPlan
from switchboard.settings.toml_source import BoundedTomlSource

ENV_PREFIX: Final = "SWITCHBOARD_"
ENV_FILE: Final = ".env"
TOML_FILE: Final = "switchboard.toml"

FILES: Final = (
    "ca_file",
    "certificate_file",
    "key_file",
    "key_password_file",
    "sasl_password_file",
    "sasl_token_file",
    "web_token_file",
)
"""The settings that name a file."""

TOKEN_LENGTH: Final = 16
"""Fewest characters of a token. Guesses are limited to 30 a second in all, and a shorter token might be found."""

Port = Annotated[int, Field(ge=0, le=65535)]
"""A TCP port; 0 is any free port."""
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=200)]
"""The beginning of topic names."""


class Settings(BaseSettings):
    """All settings. Make them with `load`: its errors name the source of a wrong setting.

    The text under each field is the field's meaning in docs/reference/settings.md.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=ENV_FILE,
        toml_file=TOML_FILE,
        # An empty variable counts as not set, so that a compose file may pass on a variable that is missing.
        env_ignore_empty=True,
        # `.env` may hold other programs' variables. `load` checks that each `SWITCHBOARD_*` variable names a setting.
        extra="ignore",
        frozen=True,
    )

    bootstrap_servers: str = Field("127.0.0.1:9092", pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")
    """host:port of one or more brokers, with commas between; name all, so that messages can say which one is away."""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    """Protocol of the connections to the brokers."""
    ca_file: Path | None = None
    """Certificates of the trusted authorities (PEM); those of the system unless set."""
    certificate_file: Path | None = None
    """The client's certificate (PEM), for a cluster that asks for one."""
    key_file: Path | None = None
    """Key of the client's certificate (PEM)."""
    key_password: SecretStr | None = None
    """Password of the key."""
    key_password_file: Path | None = None
    """File with the password of the key, instead of `key_password`."""
    sasl_mechanism: SaslMechanism = "PLAIN"
    """How clients log in, with SASL_PLAINTEXT and SASL_SSL."""
    sasl_username: str | None = None
    """User name for PLAIN and SCRAM."""
    sasl_password: SecretStr | None = None
    """Password for PLAIN and SCRAM."""
    sasl_password_file: Path | None = None
    """File with the password, instead of `sasl_password`."""
    sasl_token_file: Path | None = None
    """File with the OAUTHBEARER token; read anew for each connection."""
    broker_wait_seconds: float = Field(15, gt=0)
    """How long each step of a start waits for brokers that are away before it gives up (exit code 3)."""

    topic_prefix: Prefix = ""
    """Prefix of the names of our own topics, separator included."""
    source_prefix: Prefix = ""
    """Prefix of the names of the bus's topics, separator included."""
    shards: int = Field(1, ge=1, le=1024)
    """Number of shards; fixed once the topics are made."""
    replication: int = Field(3, ge=1)
    """Copies of our own topics."""
    min_insync: int = Field(0, ge=0)
    """min.insync.replicas of our topics; 0 stands for 2, or 1 where replication is 1."""
    group_id: str = Field("switchboard", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    """The installation's name: its consumer groups and transactional ids begin with it."""
    instance_id: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,200}$")
    """A name that only this router has, also after a restart: its shards then wait for the router instead of moving."""
    session_timeout_ms: int = Field(SESSION_TIMEOUT_MS, ge=500, le=300_000)
    """A router that sends no heartbeat for so long loses its shards."""
    frame_events: int = Field(2_000, ge=1, le=2_000)
    """The most events a frame holds."""
    merge_wait_ms: int = Field(500, ge=0, le=10_000)
    """How long the merge waits for a partition that has lag and has sent nothing."""
    longest_outage_hours: float = Field(24, gt=0, le=10_000)
    """Records with timestamps older than this do not come first: they come after the others of each frame."""
    batch_bytes: int = Field(32 * 1024 * 1024, ge=2 * 1024 * 1024, le=1024 * 1024 * 1024)
    """The most bytes that a batch of records may unpack to; a larger batch becomes one dead letter."""
    batch_records: int = Field(250_000, ge=50_000, le=10_000_000)
    """The most records that a batch may have; a larger batch becomes one dead letter."""
    unconfigured_pools: UnconfiguredPools = "allow"
    """Whether records of pools that were never configured are taken (`allow`) or set aside as `over-limit` (`refuse`);
    with `refuse`, `default` must be configured too."""
    max_pools: int = Field(10_000, ge=1)
    """The most configured pools of a shard, and also the most that were never configured; `default` always has room."""
    max_agents: int = Field(20_000, ge=1)
    """The most agents who are logged in to a pool; a shard takes 10 times as many."""
    max_chats: int = Field(200_000, ge=1)
    """The most open chats of a pool; a shard takes twice as many."""
    max_remembered: int = Field(500_000, ge=1)
    """The most chats of a pool, open or closed within 10 minutes of service time; a shard takes twice as many."""

    log_format: Literal["console", "json"] = "console"
    """Format of log lines: for people, or for machines."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged; the logs of libraries come with `debug` only."""
    metrics_host: str = "127.0.0.1"
    """Address at which the router serves /metrics, /healthz, /livez and /readyz."""
    metrics_port: Port = 9464
    """Port of the router's endpoints; 0: any that is free."""
    metrics_queues: int = Field(1_000, ge=0)
    """The most queues that have metrics of their own; all others are counted as `other`."""
    web_host: str = "127.0.0.1"
    """Address at which the monitor serves the wallboard and its JSON."""
    web_port: Port = 8080
    """Port of the wallboard; 0: any that is free."""
    web_token: SecretStr | None = Field(None, min_length=TOKEN_LENGTH)
    """Token that readers of the wallboard sign in with; needed if others than this machine can reach web_host."""
    web_token_file: Path | None = None
    """File with the token, instead of `web_token`."""
    web_session_hours: float = Field(168, gt=0, le=8_784)
    """How long a sign-in to the wallboard lasts at most; a restart of the monitor ends it too."""
    web_proxies: str = ""
    """Addresses and networks of the proxies in front of the wallboard, with commas between: a proxy's X-Forwarded-For
    tells which client's limits a request counts against."""
    service_level_seconds: float = Field(20, gt=0, le=86_400)
    """A chat counts as answered in time if its first wait is at most so long."""
    time_zone: str = "UTC"
    """Time zone in which the wallboard's day begins at midnight: a name such as Europe/Berlin."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources in their order of precedence: options, environment, .env, switchboard.toml."""
        del file_secret_settings
        return init_settings, env_settings, dotenv_settings, BoundedTomlSource(settings_cls)

    # Checks of a single setting are field validators, so that pydantic reports all faults at once. `_fit_together` runs
    # only if each setting is right by itself.

    @field_validator(*FILES)
    @classmethod
    def _is_a_file_of_bounded_size(cls, path: Path | None) -> Path | None:
        """The path, if there is a file of at most `MAX_CERTIFICATES_BYTES` bytes."""
        if path is not None and not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
            raise ValueError(f"there is no file {path}")
        if path is not None and path.stat().st_size > MAX_CERTIFICATES_BYTES:
            raise ValueError(f"expected a file of at most {MAX_CERTIFICATES_BYTES:,} bytes, and this one has more")
        return path

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        """The name, if this machine's time zone data has the zone."""
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError(
                "expected a name of this machine's time zone data (package tzdata), such as Europe/Berlin"
            ) from None
        return name

    @field_validator("web_proxies")
    @classmethod
    def _is_a_list_of_networks(cls, text: str) -> str:
        """The text, if each part between commas is an address or a network."""
        try:
            for network in _networks(text):
                ipaddress.ip_network(network, strict=False)
        except ValueError as fault:
            raise ValueError(f"{fault}, expected addresses and networks such as 10.0.0.7,10.1.0.0/16") from None
        return text

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        """Check the settings that depend on each other; all faults are reported at once, one a line."""
        faults = [
            f"{secret} and {secret}_file are both set: one of them is enough"
            for secret in ("key_password", "sasl_password", "web_token")
            if getattr(self, secret) is not None and getattr(self, f"{secret}_file") is not None
        ]
        if self.min_insync > self.replication:
            faults.append(f"min_insync is {self.min_insync}, expected at most replication, which is {self.replication}")
        faults += self._login_faults()
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _login_faults(self) -> list[str]:
        """What the mechanism of the login lacks; nothing where the security protocol has no login."""
        if not self.security_protocol.startswith("SASL"):
            return []
        if self.sasl_mechanism == "OAUTHBEARER":
            if self.sasl_token_file is None:
                return ["sasl_mechanism is OAUTHBEARER, which needs sasl_token_file"]
        elif self.sasl_username is None or (self.sasl_password or self.sasl_password_file) is None:
            needed = "sasl_username and sasl_password (or sasl_password_file)"
            return [f"security_protocol is {self.security_protocol}, which needs {needed}"]
        return []

    def connection(self) -> Connection:
        """How to reach the cluster."""
        return Connection(
            bootstrap=self.bootstrap_servers,
            security_protocol=self.security_protocol,
            ca_file=self.ca_file,
            certificate_file=self.certificate_file,
            key_file=self.key_file,
            key_password=self._secret("key_password"),
            sasl_mechanism=self.sasl_mechanism,
            sasl_username=self.sasl_username,
            sasl_password=self._secret("sasl_password"),
            sasl_token_file=self.sasl_token_file,
            batch_limits=BatchLimits(self.batch_bytes, self.batch_records),
        )

    def reader_token(self) -> SecretStr | None:
        """The token that readers of the wallboard must present; None if readers need none.

        Raises:
            SettingsError: the file can't be read, or the token is shorter than `TOKEN_LENGTH` characters.
        """
        token = self._secret("web_token")
        if token is not None and len(token.get_secret_value()) < TOKEN_LENGTH:
            raise SettingsError(f"web_token_file: {self.web_token_file} holds less than {TOKEN_LENGTH} characters")
        return token

    def proxy_networks(self) -> list[str]:
        """Addresses and networks of the proxies in front of the wallboard."""
        return _networks(self.web_proxies)

    def topic_names(self) -> TopicNames:
        """Names of the topics on the bus."""
        return TopicNames(self.topic_prefix, self.source_prefix)

    def topic_plan(self) -> TopicPlan:
        """The layout of our own topics: shards, replication, min.insync.replicas."""
        min_insync = self.min_insync or min(2, self.replication)
        return TopicPlan(self.topic_names(), self.shards, self.replication, min_insync)

    def limits(self) -> Limits:
        """The bounds on what a shard holds."""
        return Limits(**{each.name: getattr(self, each.name) for each in fields(Limits)})

    def _secret(self, name: str) -> SecretStr | None:
        """The secret of a setting, or of the file that `NAME_file` names.

        Raises:
            SettingsError: the file can't be read.
        """
        path: Path | None = getattr(self, f"{name}_file")
        value: SecretStr | None = getattr(self, name)
        try:
            return value if path is None else SecretStr(read_text(path, MAX_SECRET_BYTES).strip())
        except OSError as error:
            raise SettingsError(f"{name}_file: {error}") from None


def _networks(text: str) -> list[str]:
    """The parts of a list with commas, without empty parts."""
    return [network.strip() for network in text.split(",") if network.strip()]
