"""Which of the submitter's environment variables a job gets: all but those of her terminal.

A script finds its caches, proxies, tokens and libraries by variables, so they travel with the job,
over the agent's private socket; those that are secrets by name are stored and shown nowhere.
"""

import os
from collections.abc import Mapping
from typing import Final

SESSION: Final = (
    *("TERM", "TERMCAP", "TERMINFO", "TERM_*", "COLORTERM", "COLORFGBG", "COLUMNS", "LINES"),
    *("SHLVL", "PWD", "OLDPWD", "_", "PS0", "PS1", "PS2", "PS4", "PROMPT_COMMAND", "LS_COLORS"),
    *("SSH_*", "TMUX*", "STY", "WINDOW", "WINDOWID", "ZELLIJ*", "DBUS_*", "GPG_TTY"),
    *("DISPLAY", "WAYLAND_*", "XAUTHORITY", "SESSION_MANAGER", "DESKTOP_*", "INVOCATION_ID"),
    *("XDG_SESSION_*", "XDG_RUNTIME_DIR", "XDG_SEAT*", "XDG_VTNR", "XDG_CURRENT_DESKTOP"),
    *("VSCODE*", "ITERM*", "KITTY_*", "WEZTERM_*", "ALACRITTY_*", "VTE_VERSION", "JOURNAL_STREAM"),
)
"""Of the terminal and the login. Of XDG's the folders of caches and settings are the job's too."""

LAUNCH: Final = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_*", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
    *("GROUP_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PYTHON_EXEC"),
    *("TORCHELASTIC_*", "TORCH_ELASTIC_*", "PET_*", "LLMOS_*", "CUDA_VISIBLE_DEVICES"),
)
"""What starting the ranks sets: theirs must not be those of a job that this shell is part of."""

HOST: Final = (
    *("PATH", "HOME", "SHELL", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "LIBRARY_PATH", "CPATH"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "VIRTUAL_ENV*", "CONDA_*"),
    *("_CE_*", "MAMBA_*", "PYENV*", "CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "MANPATH", "INFOPATH"),
    *("PKG_CONFIG_PATH", "JAVA_HOME", "LOADEDMODULES", "_LMFILES_", "MODULE*", "LMOD_*", "__LMOD*"),
    *("BASH_*", "BASHRCSOURCED", "LC_*", "LANG", "LANGUAGE"),
)
"""What names files of this host, and means nothing or harm inside a container."""


def inherited(variables: Mapping[str, str], *, container: bool = False) -> dict[str, str]:
    """Those of the variables that a job gets, in a container or on the host itself."""
    left_out = (*SESSION, *LAUNCH, *HOST) if container else (*SESSION, *LAUNCH)
    names = frozenset(name for name in left_out if not name.endswith("*"))
    beginnings = tuple(name[:-1] for name in left_out if name.endswith("*"))
    return {
        name: value
        for name, value in variables.items()
        if name not in names and not name.startswith(beginnings) and _travels(name + value)
    }


def of_this_process(*, container: bool = False) -> dict[str, str]:
    """What a job that is submitted now gets."""
    return inherited(os.environ, container=container)


def _travels(text: str) -> bool:
    """A request is JSON: what is not UTF-8 cannot be part of it."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
