"""The settings: from the environment (`SWITCHBOARD_*`), else `.env`, else `switchboard.toml`, else the default."""

from switchboard.settings.model import ENV_PREFIX, Settings
from switchboard.settings.origin import SettingLine, given, lines, load

__all__ = ["ENV_PREFIX", "SettingLine", "Settings", "given", "lines", "load"]
