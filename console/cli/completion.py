"""`llmos completion`: the script by which a shell completes the words of llmos."""

import click
from click.shell_completion import get_completion_class

from .invocation import common

SHELLS = ("bash", "zsh", "fish")


@click.command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
@common
def command(shell: str) -> None:
    """Print the script by which a shell completes commands, options and job ids.

    \b
    bash  echo 'eval "$(llmos completion bash)"' >> ~/.bashrc
    zsh   echo 'eval "$(llmos completion zsh)"' >> ~/.zshrc
    fish  llmos completion fish > ~/.config/fish/completions/llmos.fish
    """
    from .main import llmos

    form = get_completion_class(shell)
    assert form is not None  # noqa: S101 - click knows these three
    print(form(llmos, {}, "llmos", "_LLMOS_COMPLETE").source())
