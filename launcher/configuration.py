"""The settings that the launcher acts on, told by a process that has loaded them all."""

import json
from dataclasses import dataclass, fields
from types import ModuleType


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Each is the setting of that name; paths and decimals are text."""

    var_dir: str
    admin_password_file: str
    bind: str
    port: int
    ws_port: int
    symbols: list[str]
    starts_redis: bool
    redis_socket: str
    starts_sandbox: bool
    sandbox_port: int
    sandbox_seed: int
    sandbox_replay: list[str]
    sandbox_speed: str

    @classmethod
    def from_json(cls, text: bytes) -> "Configuration":
        return cls(**json.loads(text))


def as_json(settings: ModuleType) -> str:
    """Settings as one line of JSON, which `Configuration.from_json` reads."""
    names = [field.name for field in fields(Configuration)]
    return json.dumps({name: getattr(settings, name.upper()) for name in names}, default=str)
