"""The whole system as `make run` starts it after its set-up, in a folder of its own."""

from pathlib import Path

from tests.servers import HANG_S, PYTHON, Server, free_port, is_healthy, runs

HANGS_AFTER_S = 2 * HANG_S
COMMANDS = {
    "stream": "manage.py runstream",
    "worker": "tradingsite --quiet worker",
    "beat": "tradingsite --quiet beat",
    "web": "daphne",
    "sandbox": "-m sandbox",
    "redis": "redis.sock",
}


class Launched(Server):
    """The launcher in `folder`, on free ports."""

    def __init__(self, folder: Path, database_url: str = "", **settings: str) -> None:
        self.folder = folder
        ports = {name: str(free_port()) for name in ("PORT", "WS_PORT", "SANDBOX_PORT")}
        self.url = f"http://127.0.0.1:{ports['PORT']}"
        settings |= ports | {
            "VAR_DIR": str(folder), "DATABASE_URL": database_url, "REDIS_URL": "",
        }  # fmt: skip
        super().__init__([PYTHON, "-m", "launcher"], folder / "terminal.log", settings)

    def await_healthy(self) -> None:
        self.await_ready(lambda: is_healthy(self.url), HANGS_AFTER_S)

    def await_up(self) -> None:
        """Until the page can be opened, and the launcher says so."""
        self.await_ready(lambda: "Ctrl+C stops everything" in self.text(), HANGS_AFTER_S)

    def processes(self) -> dict[int, str]:
        """The command lines of all that runs in this system's folder, by process id."""
        mark = str(self.folder)
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                settings = (process / "environ").read_text(errors="replace")
            except OSError:
                continue
            if (mark in settings or mark in command) and runs(int(process.name)):
                found[int(process.name)] = command
        return found

    def pids_of(self, name: str) -> set[int]:
        return {pid for pid, command in self.processes().items() if COMMANDS[name] in command}
