"""What the reference pages say before their tables."""
# ruff: noqa: INP001 - run as `python -m docs.generate`, never installed

from typing import Final

MADE: Final = "<!-- Made by `make docs`: change what it is made from, not this page. -->\n\n"

EVENTS: Final = f"""\
{MADE}# Events

What the router reads from your bus. The body of a record is a JSON object in UTF-8, 64 KiB at most. CloudEvents 1.0 in
binary mode (headers `ce_type` and `ce_id`), CloudEvents in structured mode (`content-type:
application/cloudevents+json`) and plain JSON are all taken.

- **Type.** The `ce_type` header, else the envelope's or the body's `type`, else that of the topic where it has one.
- **Pool.** An event may name its `pool`, 1 to 64 characters of `A-Z a-z 0-9 . _ -`; without it `default` is meant.
- **Key.** Any or none; the router does not look at it.
- **Unknown fields** are allowed and left out. A known field that is null is refused.
- **Names** are 1 to 128 characters without control characters. **Times** are RFC 3339 with an offset.
- What can't be taken goes to `dead-letter`: [when something is wrong](../how-to/when-something-is-wrong.md).

What each event does is said by the [routing rules](routing-rules.md). The [schemas](../../schemas/README.md) are what
is enforced.
"""

DECISIONS: Final = f"""\
{MADE}# Decisions and rows

What the router writes. Read it with `isolation.level=read_committed`: each decision is then seen exactly once.
Fields stand in this order, without spaces; what has no value is null. Times are RFC 3339 in UTC with milliseconds.
Fields, types and reasons may be added in later versions: pass over what you do not know.

## Decisions

All but `chat-requested` are on the topic `assignment`. Each begins with these fields:

| field | value | meaning |
| --- | --- | --- |
| `id` | decision id | `POOL/SHARD/FRAME/N`: the N-th, from 0, that frame FRAME of the shard's journal caused in POOL |
| `type` | text | the decision's type |
| `pool` | pool name | the pool |
| `at` | time | the router's clock when it was decided |

Headers are those of CloudEvents 1.0 in binary mode: `ce_id` (as `id`), `ce_source` (`/switchboard/POOL`), `ce_type`,
`ce_specversion`, `ce_time` (as `at`), `ce_subject` (the chat; the agent where it is about no chat), `content-type`.
"""

ROWS: Final = """\
## Rows

The latest row of a key is how things stand; a record without a value says that the row has ended. Both topics are
compacted. `engine` is the router's own and no contract.
"""

TOPICS: Final = f"""\
{MADE}# Topics

`switchboard topics create` makes the router's own topics, and with `--sources` those of the bus that are missing;
`switchboard topics check` says what differs. No topic is made by itself. `SWITCHBOARD_TOPIC_PREFIX` stands before the
names of the router's own topics, `SWITCHBOARD_SOURCE_PREFIX` before those that the bus writes; each with its separator,
as in `acme.`
"""

TOPIC_SETTINGS: Final = """\
## Settings of the router's own topics

What the router writes has `SWITCHBOARD_SHARDS` partitions (1 unless set), `routing-config` has one. The number of
shards is fixed once the topics are made, since pools are hashed onto them: a router refuses to start on another one.
Copies are `SWITCHBOARD_REPLICATION` (3 unless set), of which `SWITCHBOARD_MIN_INSYNC` (2, or 1 where there is only one
copy) must have a record before it counts.

A `cleanup.policy` that differs from this table is refused at start; any other difference is a warning. The compacted
topics are what a shard is restored from: with Kafka's defaults, under which the active segment of up to 1 GiB is never
compacted, a restore can read a gigabyte. `journal` is kept for ever; what is to go is your decision.
`dead-letter` is kept for 30 days, and up to 1 GiB a shard: who may write a source topic could fill the disk with it.
"""

PROGRESS: Final = """\
## Keys of `shard-progress`

| key | holds |
| --- | --- |
| `clock` | the clock, service time, the number of the last frame, and the versions of rules and rows |
| `source/TOPIC/PARTITION` | the offset of the next record to be read |
| `pool/POOL` | the pool's configuration, and the service time at which it came |
"""

SETTINGS: Final = f"""\
{MADE}# Settings

Each comes from the first of these that has it: its variable in the environment, the file `.env`, the file
`switchboard.toml` (by the name in the first column), the default. Both files are looked for in the working directory.
A variable that is set to nothing counts as not set. All wrong values and unknown names are reported together,
each with where it came from (exit code 2). `switchboard settings` lists the values in force; secrets are masked.
"""

METRICS: Final = f"""\
{MADE}# Metrics

A router serves them at `/metrics`, in Prometheus' text format, on `SWITCHBOARD_METRICS_HOST` and
`SWITCHBOARD_METRICS_PORT` (`127.0.0.1:9464` unless set). What was done is counted when its commit
was made, so that a retry never counts twice; gauges are set about once a second. Series whose labels are
known beforehand are there from the start, at zero, those of a pool and queue as soon as the router knows it. No chat or
agent is a label; beyond the first 200 pools that a router meets, half of them configured ones, pool and
queue are `other`.

How service level is counted, what to look at first, alerts and dashboards:
[watch with Prometheus](../how-to/watch-with-prometheus.md).
"""

MONITOR_METRICS: Final = """\
## Of the monitor

A monitor serves these, and no others, at `/metrics` on `SWITCHBOARD_WEB_HOST` and `SWITCHBOARD_WEB_PORT`
(`127.0.0.1:8080` unless set), without a token.
"""

COMMANDS: Final = f"""\
{MADE}# Commands

Exit codes: 0 done; 1 a fault or difference was found; 2 wrong use, settings or topics; 3 no broker answers, or
one that is needed was away for longer than `broker_wait_seconds`: try again; 70 the router's watchdog ended it; 130
interrupted. `switchboard --version` tells the version.
"""

ROUTING: Final = """\
`config` is what a [routing file](files.md#routing-file) says of one pool; there is a full example there.
"""
