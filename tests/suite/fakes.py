"""Stand-ins for the four services, found before the real ones by ``PYTHONPATH``.

Each is a process that answers its health checks on the descriptor it is given, starts one worker if it is the tuner,
notes how it was started and ended in ``$FAKE_NOTES``, and misbehaves as ``$FAKE_<SERVICE>`` says.
"""

import json
from pathlib import Path
from typing import Any

_MODULE = """
import json, os, signal, socket, subprocess, sys, threading
from melonkube.kit.process import die_with

NAME = {name!r}
MODE = os.environ.get("FAKE_" + NAME.upper(), "")

def note(**what):
    with open(os.environ["FAKE_NOTES"], "a") as file:
        file.write(json.dumps({{"service": NAME, "pid": os.getpid(), **what}}) + "\\n")

die_with(int(os.environ["MELON_PARENT_PID"]))
note(event="start", env={{k: v for k, v in os.environ.items() if k.startswith("MELON_") or k == "DATABASE_URL"}},
     argv=sys.argv, group=os.getpgrp(), path=sys.path[0])
if MODE == "misconfigured":
    sys.exit("melonkube.kit.migrations.NewerDatabase: The database is newer.")
if MODE == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    def end(*_):
        note(event="end")
        print(json.dumps({{"level": "info", "event": "ended"}}), file=sys.stderr, flush=True)
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
if NAME == "tuner":
    subprocess.Popen([sys.executable, "-m", "melonkube.kit.child", str(os.getpid()), "melonkube.trainer.worker"])
print(json.dumps({{"level": "warning", "event": "a warning", "service": NAME}}), file=sys.stderr, flush=True)
listener = socket.socket(fileno=int(os.environ["MELON_LISTEN__FD"]))
while True:
    connection, _ = listener.accept()
    with connection:
        request = connection.recv(65536)
        status = b"503 No" if MODE == "never ready" else b"200 OK"
        body = str(os.getpid()).encode()
        head = b"HTTP/1.1 %s\\r\\nconnection: close\\r\\ncontent-length: %d\\r\\n\\r\\n" % (status, len(body))
        connection.sendall(head + body)
"""
_PACKAGE = "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n"
"""Lets the rest of the package, which the supervisor may import, be found where it is."""

_WORKER = "import signal\nsignal.pause()\n"


class Fakes:
    """Writes the stand-ins below ``folder``; ``environment`` makes a suite run them."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "notes.jsonl"
        modules = folder / "modules"
        for name in ("gateway", "registry", "serving", "tuner"):
            package = modules / "melonkube" / name
            package.mkdir(parents=True)
            (package / "__init__.py").write_text(_PACKAGE)
            (package / "__main__.py").write_text(_MODULE.format(name=name))
        worker = modules / "melonkube" / "trainer"
        worker.mkdir()
        (worker / "__init__.py").write_text(_PACKAGE)
        (worker / "worker.py").write_text(_WORKER)
        self.environment = {"PYTHONPATH": str(modules), "FAKE_NOTES": str(self._notes)}

    def notes(self, event: str, service: str | None = None) -> list[dict[str, Any]]:
        """Return what was noted of an event, in order."""
        if not self._notes.exists():
            return []
        noted = [json.loads(line) for line in self._notes.read_text().splitlines()]
        return [note for note in noted if note["event"] == event and service in (None, note["service"])]


def alive(pid: int) -> bool:
    """Return whether a process exists that is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
