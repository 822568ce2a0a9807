"""The file `.env`, read whatever editor wrote it."""

import codecs
from io import StringIO
from pathlib import Path

from dotenv import load_dotenv

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
REMEDY = "save it anew as plain UTF-8 text, as .env.example is"


class BadEnvFile(SystemExit):
    """Ends the process with one line that names the file, what is wrong and the remedy."""


def load_env_file(path: Path) -> None:
    """Take over the variables that the environment doesn't have yet.

    UTF-8 with or without a mark, UTF-16 with one, and any line ends will do. Raises BadEnvFile.
    """
    if path.exists():
        load_dotenv(stream=StringIO(_text(path)))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadEnvFile(f"{path} cannot be read ({error.strerror}): make it readable") from None
    try:
        text = data.decode("utf-16" if data.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadEnvFile(f"{path}, line {line}: no text in UTF-8; {REMEDY}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise BadEnvFile(f"{path}, line {line}: holds a NUL character; {REMEDY}")
    return text
