"""`llmos completion`: the script by which a shell completes the words of llmos."""

import click
from click.shell_completion import BashComplete, get_completion_class

from .invocation import common

SHELLS = ("bash", "zsh", "fish")

BEGINNING = "    local response\n"
WHOLE_WORD = """
    # "@" parts words in COMP_WORDS, though not in what is completed, $2.
    if [[ $2 == @* && ${COMP_WORDS[COMP_CWORD]} != *@* ]]; then
        COMP_WORDS[--COMP_CWORD]=$2
    fi
"""


class Bash(BashComplete):
    """Completes `@NAME`, too, which click's own script never sees as one word."""

    source_template = BashComplete.source_template.replace(BEGINNING, BEGINNING + WHOLE_WORD)


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

    form = Bash if shell == "bash" else get_completion_class(shell)
    assert form is not None  # noqa: S101 - click knows these three
    print(form(llmos, {}, "llmos", "_LLMOS_COMPLETE").source())
