"""The command as a script of POSIX sh that uses nothing but what the shell itself can do. Pure.

The image may hold no program but a shell. So nothing is renamed, slept or polled with a program: the sidecar's words
come through FIFOs, which are opened for reading and writing both, so that they neither block nor end.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from melonkube.contracts.base import Scalar
from melonkube.contracts.workload import fill_in
from melonkube.trainer.container import places

COMMAND_KILLED = "The command was killed (SIGKILL)."
"""The tuner knows it by the same words."""

NOTHING = "exit 0\n"
"""The script of a pod that has nothing to run."""

_SCRIPT = """\
# Runs the command of a trial and tells the sidecar how it ended. Written by MelonKube.
run=@RUN@
[ -e "$run/@SKIP@" ] && exit 0
exec 3<>"$run/@CONTROL@" 4<>"$run/@RELEASE@" || exit 125
told= child=
tell() {
  told=told again=again
  echo told >"$run/@TOLD@"
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap tell TERM INT HUP QUIT
(
  exec 3<&- 4<&-
  exec @COMMAND@
) </dev/null >>"$run/@SAID@" 2>&1 &
child=$!
[ -z "$told" ] || kill -TERM "$child" 2>/dev/null
(
  exec 4<&-
  while read -r word <&3; do
    case $word in
      TERM) kill -TERM "$child" ;;
      KILL) kill -KILL "$child" ;;
    esac
  done
) </dev/null >/dev/null 2>&1 &
reader=$!
code=127 waited=
while :; do
  again=
  wait "$child"
  now=$?
  # A shell may have forgotten a child that it told of already: then what it told stands.
  [ "$now" = 127 ] && [ -n "$waited" ] || code=$now
  [ -n "$again" ] || break
  waited=waited
done
# Not SIGTERM: a shell that has just been forked may take it for its parent's, which has a trap, and lose it.
kill -KILL "$reader" 2>/dev/null
[ "$code" != 137 ] || echo @KILLED@ >@LAST_WORD@ 2>/dev/null
echo "$code $told." >"$run/@EXIT@"
until read -r word <&4; do :; done
exit "$code"
"""


def text_of(value: Scalar) -> str:
    """Return a parameter's value as it stands in a command."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else value


def arguments(command: Sequence[str], params: Mapping[str, Scalar]) -> list[str]:
    """Return the command with the values in place of ``{{params.NAME}}``.

    Raises:
        KeyError: It names a parameter that there is not.
    """
    return [fill_in(argument, lambda name: text_of(params[name])) for argument in command]


def quoted(text: str) -> str:
    """Return ``text`` as one word of the shell that stands for nothing but itself."""
    return "'" + text.replace("'", "'\\''") + "'"


def script(argv: Sequence[str], run: Path, last_word: Path) -> str:
    """Return the script that runs ``argv``.

    Args:
        argv: Program and arguments, each as it is to arrive.
        run: The folder in which script and sidecar tell each other things.
        last_word: Where the container leaves its last word.
    """
    words = {
        "@RUN@": quoted(str(run)),
        "@SKIP@": places.SKIP,
        "@CONTROL@": places.CONTROL,
        "@RELEASE@": places.RELEASE,
        "@TOLD@": places.TOLD,
        "@SAID@": places.SAID,
        "@EXIT@": places.EXIT,
        "@KILLED@": quoted(COMMAND_KILLED),
        "@LAST_WORD@": quoted(str(last_word)),
    }
    text = _SCRIPT
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text.replace("@COMMAND@", " ".join(map(quoted, argv)))
