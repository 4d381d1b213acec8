"""Variants of the rules, written as `profile.mode=pull`, `queue[cards].max_wait=60`, `agents=+5`.

A changed configuration is checked like a routing file, by the schema and by the names that it refers to.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

from switchboard.errors import RulesError
from switchboard.journal import bounded_json
from switchboard.journal.routing_file import reference_faults
from switchboard.journal.schemas import EVENT_SHAPES, Shape, event_faults
from switchboard.simulation.cast import PlannedEvent, Post
from switchboard.whatif.recorded_day import AgentKey, RecordedAgent
from switchboard.whatif.recorded_people import uniform

_CONFIG: Final = EVENT_SHAPES["pool-configured"].fields["config"]


def _fields(rows: str) -> dict[str, Shape]:
    """The fields of `profiles` or `queues` in the schema, without the name."""
    items = _CONFIG.fields[rows].items
    return {name: each for name, each in items.fields.items() if name != "name"} if items is not None else {}


_FIELDS: Final[Mapping[str, Mapping[str, Shape]]] = {
    "profile": _fields("profiles"),
    "queue": _fields("queues"),
    "pool": {name: each for name, each in _CONFIG.fields.items() if name not in ("queues", "profiles")},
}
_match: Final = re.compile(r"\s*([a-z]+)(?:\[([^\]]*)\])?(?:\.([A-Za-z_]+))?\s*=\s*(.*?)\s*").fullmatch
_between: Final = re.compile(r",(?=\s*[a-z]+(?:\[[^\]]*\])?(?:\.[A-Za-z_]+)?\s*=)")
"""Matches a comma between two settings, and no comma within a list of queues."""
MOST_AGENTS: Final = 10_000
"""Agents added or removed by one setting, as many as `--staff` allows."""


@dataclass(slots=True, frozen=True)
class Setting:
    """One changed rule, or a changed number of agents."""

    text: str
    """The setting as written by the user."""
    what: str
    """`profile`, `queue`, `pool` or `agents`."""
    name: str | None
    """Name of the profile, queue or pool; None for all."""
    field: str
    """Empty for `agents`."""
    value: Any


@dataclass(slots=True, frozen=True)
class Variant:
    """A named set of changed rules; without settings, the rules of the scenario."""

    name: str
    settings: tuple[Setting, ...] = ()

    def configs(self, base: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Pool id → configuration with the variant's settings.

        Raises:
            RulesError: a setting names an unknown profile, queue or pool, or a configuration becomes invalid.
        """
        changed = {pool: deepcopy(dict(config)) for pool, config in base.items()}
        for setting in self.settings:
            if setting.what != "agents":
                _set(changed, setting)
        for pool, config in changed.items():
            faults = [
                *event_faults("pool-configured", {"pool": pool, "config": config}),
                *reference_faults(config, ("config",)),
            ]
            # A recorded configuration may refer to names that do not exist; only new faults count.
            before = {fault.detail for fault in reference_faults(base[pool], ("config",))}
            new = [fault.detail for fault in faults if fault.detail not in before]
            if new:
                raise RulesError(f"{self.name}: pool {pool} can't be so: {'; '.join(new)}")
        return changed

    def overrides(self, profile: str, field: str) -> bool:
        """True if the variant sets the profile's `mode` or `max_sessions`, which then overrides the login events."""
        return any(
            each.what == "profile" and each.field == field and each.name in (None, profile) for each in self.settings
        )

    def head_counts(self) -> list[tuple[str | None, int]]:
        """(pool, number) of each setting of `agents`: None for any pool, a number below 0 to remove agents."""
        return [(each.name, each.value) for each in self.settings if each.what == "agents"]


def parse_variant(text: str) -> Variant:
    """The variant written as `NAME: SETTING,SETTING`, or without a name.

    Raises:
        RulesError: the text has another form, or a setting is invalid.
    """
    # A colon after the first "=" belongs to a value.
    head, colon, rest = text.partition(":")
    named = bool(colon) and "=" not in head
    settings = tuple(parse_setting(each) for each in _between.split(rest if named else text))
    return Variant(head.strip() if named else default_name(settings), settings)


def default_name(settings: Sequence[Setting]) -> str:
    """The name of a variant without a name of its own."""
    return ", ".join(each.text for each in settings)


def parse_setting(text: str) -> Setting:
    """The setting written as `WHAT.FIELD=VALUE`, `WHAT[NAME].FIELD=VALUE` or `agents=+N`.

    Raises:
        RulesError: the text has another form, or names an unknown field.
    """
    found = _match(text)
    if found is None:
        raise RulesError(
            f"{text!r}: expected profile.FIELD=VALUE, profile[NAME].FIELD=VALUE, queue.FIELD=VALUE, "
            "queue[NAME].FIELD=VALUE, pool.FIELD=VALUE or agents=+N, as in profile.mode=pull"
        )
    what, name, field_name, value = found.groups()
    if what == "agents":
        if field_name is not None or not re.fullmatch(r"[+-]\d{1,18}", value):
            raise RulesError(f"{text!r}: expected how many more or fewer agents, as in agents=+5 or agents[POOL]=-2")
        if abs(int(value)) > MOST_AGENTS:
            raise RulesError(f"{text!r}: expected at most {MOST_AGENTS:,} more or fewer agents")
        sign = f"{int(value):+d}"
        return Setting(f"agents{f'[{name}]' if name else ''} {sign}", what, name, "", int(value))
    if what not in _FIELDS:
        raise RulesError(f"{text!r}: there is no {what} to set: {_near(what, [*_FIELDS, 'agents'])}")
    fields = _FIELDS[what]
    if field_name not in fields:
        raise RulesError(f"{text!r}: a {what} has no field {field_name}: {_near(field_name or '', list(fields))}")
    return Setting(text.strip(), what, name, field_name, _value(value, fields[field_name]))


def _value(text: str, shape: Shape) -> Any:
    """The value as JSON if it is valid JSON, otherwise as text. A list of names may be written with commas."""
    try:
        value = bounded_json.loads(text.encode(errors="replace"))
    except ValueError:
        value = text
    if shape.schema.get("type") == "array" and not isinstance(value, list):
        return [each.strip() for each in text.split(",") if each.strip()]
    return text if shape.schema.get("type") == "string" else value


def _set(configs: dict[str, dict[str, Any]], setting: Setting) -> None:
    """Change the configurations by one setting of a profile, queue or pool."""
    names: list[str] = []
    for pool, config in configs.items():
        rows = (
            [(pool, config)] if setting.what == "pool" else [(row["name"], row) for row in config[f"{setting.what}s"]]
        )
        for name, row in rows:
            names.append(name)
            if setting.name in (None, name):
                row[setting.field] = setting.value
    if setting.name is not None and setting.name not in names:
        near = _near(setting.name, names)
        raise RulesError(f"{setting.text!r}: there is no {setting.what} {setting.name!r}: {near}")


def _near(name: str, names: Sequence[str]) -> str:
    """A hint for a misspelled name."""
    near = get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"


@dataclass(slots=True, frozen=True)
class Staff:
    """The agents of a simulation."""

    posts: list[Post]
    recorded: dict[str, RecordedAgent]
    """Agent id in the simulation → recorded agent with the delays to draw from."""


def staff_of(
    agents: Mapping[AgentKey, RecordedAgent], configs: Mapping[str, Mapping[str, Any]], variant: Variant, seed: str
) -> Staff:
    """The agents under a variant's rules.

    An added agent has the plan, profile and delays of a colleague drawn by the seed. The seed also draws the removed
    agents, so that those removed by `agents=-2` are among those removed by `agents=-5`.

    Args:
        agents: the agents of the scenario.
        configs: pool id → configuration under the variant's rules.
        variant: the variant.
        seed: the seed of the run.

    Raises:
        RulesError: the scenario has no agent in the pool, or fewer than the variant removes.
    """
    present = dict(agents)
    names = names_of(agents)
    taken = {*names.values(), *(agent_id for _, agent_id in agents)}
    for pool, number in variant.head_counts():
        scope = [key for key in agents if pool in (None, key[0])]
        if not agents:
            raise RulesError(f"{variant.name}: no agent works in this log: there is nobody to add to or to take from")
        if not scope:
            raise RulesError(f"{variant.name}: there is no agent in pool {pool}: agents work in {_pools(agents)}")
        if number < 0:
            rest = [key for key in scope if key in present]
            if len(rest) < -number:
                raise RulesError(f"{variant.name}: there are {len(rest)} agents, {-number} can't be taken away")
            for key in sorted(rest, key=lambda key: uniform(seed, "taken away", *key))[:-number]:
                del present[key]
        for index in range(number):
            model = scope[int(uniform(seed, "added", pool, index) * len(scope))]
            name = _fresh(f"added-{index + 1}", taken)
            taken.add(name)
            key = (model[0], name)
            present[key] = replace(agents[model], key=key)
            names[key] = name
    posts, recorded = [], {}
    for key, agent in present.items():
        posts.append(_post(names[key], key[0], agent.plan, configs[key[0]], variant))
        recorded[names[key]] = agent
    return Staff(posts, recorded)


def names_of(agents: Iterable[AgentKey]) -> dict[AgentKey, str]:
    """A distinct name for each agent: the agent id, or `ID@POOL` for an id that several pools have.

    Call with all agents of the scenario before removing any, because draws depend on the names.
    """
    keys = list(agents)
    times = Counter(agent_id for _, agent_id in keys)
    taken = set(times)
    names = {}
    for pool, agent_id in keys:
        name = agent_id if times[agent_id] == 1 else _fresh(f"{agent_id}@{pool}", taken)
        names[pool, agent_id] = name
        taken.add(name)
    return names


def _post(name: str, pool: str, plan: Sequence[PlannedEvent], config: Mapping[str, Any], variant: Variant) -> Post:
    """An agent whose plan no longer has the values that the variant overrides."""
    profiles = {row["name"]: row for row in config["profiles"]}
    default = profiles.get(config.get("default_profile"), config["profiles"][0])
    profile = default
    planned = []
    for each in plan:
        data = dict(each.data)
        if each.type == "agent-logged-in":
            profile = profiles.get(data.get("profile"), default)
        if each.type in ("agent-logged-in", "agent-capacity-changed"):
            for field in ("mode", "max_sessions"):
                if variant.overrides(profile["name"], field):
                    data.pop(field, None)
        if each.type == "agent-logged-in":
            # The simulated agent reads the mode from the plan, to know whether to click Request Chat.
            data.setdefault("mode", profile.get("mode", "push"))
        elif each.type == "agent-capacity-changed" and not data:
            continue
        planned.append(PlannedEvent(each.after, each.type, data))
    return Post(name, profile.get("mode", "push"), pool, plan=tuple(planned))


def _fresh(name: str, taken: set[str]) -> str:
    """The name, with apostrophes appended until no agent has it."""
    while name in taken:
        name += "'"
    return name


def _pools(agents: Mapping[AgentKey, RecordedAgent]) -> str:
    return ", ".join(sorted({pool for pool, _ in agents}))
