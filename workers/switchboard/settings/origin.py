"""The origin of settings: which source gave each value, how settings are loaded, and how wrong ones are reported."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from switchboard.errors import SettingsError
from switchboard.journal.files import MAX_SETTINGS_BYTES, read_text
from switchboard.settings.model import ENV_FILE, ENV_PREFIX, TOML_FILE, Settings
from switchboard.settings.toml_source import BoundedTomlSource

OPTION: Final = "an option of the command"
DEFAULT: Final = "default"

_LONGEST_LINE: Final = 600
"""Characters of a line about one wrong setting, the value included."""

_Sources = Mapping[str, Mapping[str, Any]]
"""Each source by its name in messages, with the values it gives; the first source that has a setting counts."""


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting, as `switchboard settings` shows it."""

    name: str
    value: str
    """Masked if the setting is a secret."""
    source: str


def load(**options: Any) -> Settings:
    """The settings.

    Args:
        options: values that come before all other sources; None: not given.

    Raises:
        SettingsError: settings are wrong or do not exist. The message has a line for each.
    """
    given_options = {name: value for name, value in options.items() if value is not None}
    sources = _sources(given_options)
    faults = [
        f"{name} ({_source_of(name, sources)}): there is no such setting; `switchboard settings` lists what there is"
        for values in sources.values()
        for name in values
        if name not in Settings.model_fields
    ]
    try:
        settings = Settings(**given_options)
    except ValidationError as errors:
        faults += [_fault(error, sources) for error in errors.errors(include_url=False)]
    if faults:
        raise SettingsError("\n".join(_shortened(line) for fault in faults for line in fault.splitlines()))
    return settings


def given(name: str) -> str:
    """One setting as given, valid or not; else its default.

    If a file can't be read, the environment alone is used: so a worker whose log is JSON reports the file in JSON.
    """
    try:
        sources: _Sources = _sources({})
    except (SettingsError, OSError, ValueError):
        sources = {"": {key.removeprefix(ENV_PREFIX).lower(): value for key, value in os.environ.items()}}
    default = Settings.model_fields[name].default
    return str(next((values[name] for values in sources.values() if name in values), default))


def lines(settings: Settings, **options: Any) -> list[SettingLine]:
    """Each setting with its source, in the order of the model.

    Args:
        settings: what `load` returned.
        options: as given to `load`.
    """
    sources = _sources({name: value for name, value in options.items() if value is not None})
    return [
        SettingLine(name, "" if (value := getattr(settings, name)) is None else str(value), _source_of(name, sources))
        for name in Settings.model_fields
    ]


def _sources(options: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The values of each source, in the order of precedence."""
    _check_env_file()
    env = {
        f"{ENV_PREFIX}* in the environment": EnvSettingsSource(Settings).env_vars,
        ENV_FILE: DotEnvSettingsSource(Settings).env_vars,
    }
    prefix = ENV_PREFIX.lower()
    ours = {
        source: {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
        for source, values in env.items()
    }
    toml = BoundedTomlSource(Settings).toml_data
    return {OPTION: options, **ours, TOML_FILE: toml}


def _check_env_file() -> None:
    """Refuse a `.env` that is too large, or a pipe: pydantic would read the first whole, and block on the second."""
    path = Path(ENV_FILE)
    if not path.exists() or path.is_dir():  # a folder of this name is a virtual environment of Python, and no fault
        return
    try:
        read_text(path, MAX_SETTINGS_BYTES)
    except OSError as error:
        raise SettingsError(str(error)) from None


def _source_of(name: str, sources: _Sources) -> str:
    """The source that counts for a setting, as messages name the source."""
    found = next((source for source, values in sources.items() if name in values), DEFAULT)
    return found.replace("*", name.upper())


def _fault(error: Any, sources: _Sources) -> str:
    """One fault that pydantic found: the setting, its value, its source, and what was expected."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "too_short":  # pydantic calls the characters of a secret "items after validation"
        message = f"expected at least {error['ctx']['min_length']} characters, got {error['ctx']['actual_length']}"
    if not error["loc"]:  # a fault of several settings together, whose message names them
        return message
    name = str(error["loc"][0])
    return f"{name} is {_shown_value(name, error['input'])} ({_source_of(name, sources)}): {message}"


def _shown_value(name: str, value: Any) -> str:
    """A value for a message; masked if the setting is a secret."""
    if "SecretStr" in str(Settings.model_fields[name].annotation):
        return "**"
    return repr(str(value) if isinstance(value, Path) else value)


def _shortened(line: str) -> str:
    """The line without its middle, if a value of thousands of characters makes the line too long."""
    if len(line) <= _LONGEST_LINE:
        return line
    half = _LONGEST_LINE // 2
    return f"{line[:half]} … {line[-half:]}"
