"""`switchboard settings`: the value and source of each setting."""

import click
from rich.table import Table

from switchboard.cli.ui import say_json, wide_console
from switchboard.journal.printable_text import printable
from switchboard.settings import lines, load


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def settings(*, as_json: bool) -> None:
    """Show every setting with its value and where it came from; secrets are masked.

    Settings come from SWITCHBOARD_* in the environment, else .env, else switchboard.toml.

    \b
    Example:
      SWITCHBOARD_SHARDS=2 switchboard settings
    """
    shown = lines(load())
    if as_json:
        say_json({each.name: {"value": each.value, "source": each.source} for each in shown})
        return
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for each in shown:
        table.add_row(each.name, printable(each.value), each.source)
    wide_console().print(table)
