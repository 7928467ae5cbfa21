# The checkout's own Python environment, .venv: what it holds, and how that gets there.
# To be sourced by the other scripts, with `root` set. Asking what it holds starts no Python.
#
# It holds parts, each with those before it: base (the agent and the screen), engine (torch), dev
# (what tests and checks need). LLMOS_TORCH_INDEX, if set, is one more index where pip looks for
# packages: PyTorch keeps its builds without CUDA in an index of its own.

venv=$root/.venv
log=$root/build/install.log

say() { printf 'llmos: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

environment_holds() { # PART
    local stamp=$venv/installed-$1
    [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(<"$stamp")" = "$(environment_key)" ]
}

# One install at a time. The stamps are written last, so what was cut short is taken up again.
#
# HOW is quietly, shown (pip's own lines and bars), or counted (a line "Progress BYTES of BYTES" a
# few times a second instead of a bar).
environment_install() { # PART HOW
    mkdir -p "$root/build" 2>/dev/null && [ -w "$root/build" ] && [ -w "$root" ] ||
        die "cannot write to $root: run this as its owner, or in a clone of your own"
    find_python
    (
        wait_for_others
        environment_holds "$1" || install_part "$1" "$2"
    ) 9>"$root/build/install.lock"
}

# Everything an install depends on: where the checkout lies, its Python, what is asked for.
environment_key() {
    printf '%s %s ' "$root" "$(readlink -f "$venv/bin/python")"
    cat "$root/pyproject.toml" "$root/scripts/constraints.txt" | cksum
}

find_python() {
    local found=''
    for python in python3 python3.14 python3.13 python3.12 python3.11; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        "$python" -c 'import ensurepip, venv' 2>/dev/null && return
        found=$python
    done
    [ -z "$found" ] || die "$found has no venv: install it, e.g. apt install python3-venv"
    die "no Python 3.11 or newer found: install one, e.g. apt install python3 python3-venv"
}

# By Python, as not every system has the flock command. The lock is the shell's: it ends with the
# subshell that opened descriptor 9.
wait_for_others() {
    "$python" -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("llmos: another install is at work in this checkout, waiting for it", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
except OSError:
    pass  # a file system without locks
'
}

install_part() { # PART HOW
    local part parts='base' extras=''
    case $1 in
        engine) parts='base engine' extras='[engine]' ;;
        dev) parts='base engine dev' extras='[engine,examples,dev]' ;;
    esac
    say "installing, once: $(size_of "$1")"
    make_environment >"$log" 2>&1 || die "could not make $venv ($log says why)"
    if [ "$1" != base ]; then pip quietly --upgrade pip; fi # only newer ones count their bytes
    pip "$2" --editable "$root$extras" \
        ${LLMOS_TORCH_INDEX:+--extra-index-url "$LLMOS_TORCH_INDEX"}
    for part in $parts; do environment_key >"$venv/installed-$part"; done
}

pip() { # HOW OPTIONS…
    local how=$1
    shift
    # setuptools warns of what an editable install is.
    set -- env PYTHONWARNINGS=ignore "$venv/bin/python" -m pip --disable-pip-version-check install \
        --constraint "$root/scripts/constraints.txt" "$@"
    case $how in
        quietly) "$@" >>"$log" 2>&1 ;;
        shown) "$@" --log "$log" ;;
        counted) "$@" --log "$log" --progress-bar raw ;;
    esac || die "could not install: $(why_pip_failed) ($log says more)"
}

why_pip_failed() {
    if grep -q 'No space left on device' "$log"; then
        echo 'the disk is full'
    elif grep -qE 'NewConnectionError|NameResolutionError|TimeoutError|ProxyError|Network is unreachable' "$log"; then
        echo 'no package index answered, is there a network?'
    else
        sed -n 's/^.*ERROR: //p' "$log" | tail -n 1
    fi
}

size_of() { # PART
    if [ "$1" = base ]; then
        echo 'the agent and the screen (about 25 MB to download)'
    elif has_nvidia_driver; then
        echo 'torch for CUDA, transformers, accelerate (several GB to download)'
    elif [ -n "${LLMOS_TORCH_INDEX:-}" ]; then
        echo 'torch for the CPU, transformers, accelerate (about 250 MB to download)'
    else
        echo 'torch, transformers, accelerate (about 250 MB to download; several GB if pip finds' \
            'torch for CUDA only: LLMOS_TORCH_INDEX can name an index of CPU builds)'
    fi
}

has_nvidia_driver() {
    [ -e /proc/driver/nvidia ] || command -v nvidia-smi >/dev/null ||
        PATH=$PATH:/sbin ldconfig -p 2>/dev/null | grep -q 'libcuda\.so'
}

# A package whose INSTALLER pip did not come to write is not all there, and pip would take it for
# installed. Folders named ~… are what an interrupted upgrade left behind.
make_environment() {
    local folder
    for folder in "$venv"/lib/python3*/site-packages/*.dist-info; do
        [ -e "$folder/INSTALLER" ] || rm -rf "$folder"
    done
    rm -rf "$venv"/lib/python3*/site-packages/~*
    if ! [ -x "$venv/bin/python" ]; then
        "$python" -m venv --clear "$venv"
    elif ! "$venv/bin/python" -c 'import importlib.metadata as m; m.version("pip")'; then
        "$python" -m venv "$venv"
    fi
}
