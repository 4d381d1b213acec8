"""`switchboard.toml` as a source of settings."""

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic_settings import TomlConfigSettingsSource

from switchboard.errors import SettingsError
from switchboard.journal.files import MAX_SETTINGS_BYTES, read_text
from switchboard.journal.toml_text import TomlError, parse


class BoundedTomlSource(TomlConfigSettingsSource):
    """`switchboard.toml`, read within the bounds of `journal.toml_text`."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        """The values in the file.

        Raises:
            SettingsError: the file can't be read; the message names the file and the line.
        """
        try:
            return parse(read_text(Path(str(file_path)), MAX_SETTINGS_BYTES))
        except OSError as error:
            raise SettingsError(str(error)) from None
        except TomlError as error:
            raise SettingsError(f"{file_path}:{error.line}: {error}") from None
