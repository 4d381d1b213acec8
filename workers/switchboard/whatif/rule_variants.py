"""Other rules: `profile.mode=pull`, `queue[cards].max_wait=60`, `agents=+5`.

What is set is checked as a routing file is, by the schema and by the names that it refers to.
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
from switchboard.simulation.cast import Planned, Post
from switchboard.whatif.recorded_day import AgentKey, AgentPast
from switchboard.whatif.recorded_people import uniform

_CONFIG: Final = EVENT_SHAPES["pool-configured"].fields["config"]


def _fields(rows: str) -> dict[str, Shape]:
    items = _CONFIG.fields[rows].items
    return {name: each for name, each in items.fields.items() if name != "name"} if items is not None else {}


_FIELDS: Final[Mapping[str, Mapping[str, Shape]]] = {
    "profile": _fields("profiles"),
    "queue": _fields("queues"),
    "pool": {name: each for name, each in _CONFIG.fields.items() if name not in ("queues", "profiles")},
}
_match: Final = re.compile(r"\s*([a-z]+)(?:\[([^\]]*)\])?(?:\.([A-Za-z_]+))?\s*=\s*(.*?)\s*").fullmatch
_between: Final = re.compile(r",(?=\s*[a-z]+(?:\[[^\]]*\])?(?:\.[A-Za-z_]+)?\s*=)")
"""A comma between two settings, not one within a list of queues."""
MOST_AGENTS: Final = 10_000
"""More or fewer, in one setting: as many as `--staff` takes."""


@dataclass(slots=True, frozen=True)
class Setting:
    """One thing set otherwise."""

    text: str
    """As it was written."""
    what: str
    """`profile`, `queue`, `pool` or `agents`."""
    name: str | None
    """Of which one; None: of all."""
    field: str
    value: Any


@dataclass(slots=True, frozen=True)
class Variant:
    """One set of other rules."""

    name: str
    settings: tuple[Setting, ...] = ()

    def configs(self, base: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """The pools' configurations under these rules.

        Raises:
            RulesError: there is no profile, queue or pool of a name, or what comes out can't be.
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
            before = {fault.detail for fault in reference_faults(base[pool], ("config",))}
            told = [fault.detail for fault in faults if fault.detail not in before]
            if told:
                raise RulesError(f"{self.name}: pool {pool} can't be so: {'; '.join(told)}")
        return changed

    def takes_over(self, profile: str, what: str) -> bool:
        """Whether a profile's `mode` or `max_sessions` is set here: what logins said of it no longer counts."""
        return any(
            each.what == "profile" and each.field == what and each.name in (None, profile) for each in self.settings
        )

    def head_counts(self) -> list[tuple[str | None, int]]:
        """How many agents are added (or, below 0, taken away), and in which pool; None: in any."""
        return [(each.name, each.value) for each in self.settings if each.what == "agents"]


def variant(text: str) -> Variant:
    """A variant written as `NAME: SETTING,SETTING`, or without a name.

    Raises:
        RulesError: it is not so written.
    """
    # A name ends at the first colon, if that stands before the first setting's sign.
    head, colon, rest = text.partition(":")
    named = bool(colon) and "=" not in head
    settings = tuple(setting(each) for each in _between.split(rest if named else text))
    return Variant(head.strip() if named else named_by(settings), settings)


def named_by(settings: Sequence[Setting]) -> str:
    """What to call a variant that was given no name."""
    return ", ".join(each.text for each in settings)


def setting(text: str) -> Setting:
    """One setting.

    Raises:
        RulesError: it is not so written, or names a field that there is not.
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
    """JSON where it is some, else text; a list of names may be written with commas."""
    try:
        value = bounded_json.loads(text.encode(errors="replace"))
    except ValueError:
        value = text
    if shape.schema.get("type") == "array" and not isinstance(value, list):
        return [each.strip() for each in text.split(",") if each.strip()]
    return text if shape.schema.get("type") == "string" else value


def _set(configs: dict[str, dict[str, Any]], setting: Setting) -> None:
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
    near = get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"


@dataclass(slots=True, frozen=True)
class Staff:
    """Who works, and whose ways each of them has."""

    posts: list[Post]
    ways: dict[str, AgentPast]


def staff_of(
    agents: Mapping[AgentKey, AgentPast], configs: Mapping[str, Mapping[str, Any]], variant: Variant, seed: str
) -> Staff:
    """The agents under a variant's rules.

    One who is added has the hours, the profile and the ways of a colleague whom the seed picks; who is taken away is
    picked by the seed too, and whoever is missing among two fewer is missing among five fewer.

    Raises:
        RulesError: there are not so many to take away, or nobody whose hours an added one could have.
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
            here = [key for key in scope if key in present]
            if len(here) < -number:
                raise RulesError(f"{variant.name}: there are {len(here)} agents, {-number} can't be taken away")
            for key in sorted(here, key=lambda key: uniform(seed, "taken away", *key))[:-number]:
                del present[key]
        for index in range(number):
            model = scope[int(uniform(seed, "added", pool, index) * len(scope))]
            name = _fresh(f"added-{index + 1}", taken)
            taken.add(name)
            key = (model[0], name)
            present[key] = replace(agents[model], key=key)
            names[key] = name
    posts, ways = [], {}
    for key, past in present.items():
        posts.append(_post(names[key], key[0], past.plan, configs[key[0]], variant))
        ways[names[key]] = past
    return Staff(posts, ways)


def names_of(agents: Iterable[AgentKey]) -> dict[AgentKey, str]:
    """What each agent of a day is called where a name has to tell one from all others: its id, where that does.

    The same id in two pools is two agents. Name them all before any is taken away: draws depend on the name.
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


def _post(name: str, pool: str, plan: Sequence[Planned], config: Mapping[str, Any], variant: Variant) -> Post:
    profiles = {row["name"]: row for row in config["profiles"]}
    default = profiles.get(config.get("default_profile"), config["profiles"][0])
    profile = default
    planned = []
    for each in plan:
        data = dict(each.data)
        if each.type == "agent-logged-in":
            profile = profiles.get(data.get("profile"), default)
        if each.type in ("agent-logged-in", "agent-capacity-changed"):
            for what in ("mode", "max_sessions"):
                if variant.takes_over(profile["name"], what):
                    data.pop(what, None)
        if each.type == "agent-logged-in":
            # Said in full, for the agent must know whether to click.
            data.setdefault("mode", profile.get("mode", "push"))
        elif each.type == "agent-capacity-changed" and not data:
            continue
        planned.append(Planned(each.after, each.type, data))
    return Post(name, profile.get("mode", "push"), pool, plan=tuple(planned))


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name


def _pools(agents: Mapping[AgentKey, AgentPast]) -> str:
    return ", ".join(sorted({pool for pool, _ in agents}))
