"""`llmos examples`: the specs that ship with llmos."""

import click

from .invocation import as_json, common


@click.command(name="examples")
@as_json
@common
def command(as_json: bool) -> None:
    """List the specs that ship with llmos; `llmos run @NAME` runs one.

    The JSON is {"schema", "examples"}: name, title, path.
    """
    from ...engine.specs import examples
    from .printing import print_json, table

    found = examples()
    if as_json:
        print_json(
            {
                "examples": [
                    {"name": each.name, "title": each.title, "path": str(each.path)}
                    for each in found
                ]
            }
        )
        return
    print("\n".join(table(("NAME", "WHAT IT DOES"), [(f"@{e.name}", e.title) for e in found])))
    print("\nRun one with `llmos run @NAME`; change a value with --set KEY.KEY=VALUE.")
