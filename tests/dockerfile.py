"""A Dockerfile as its instructions, for tests on machines where no Docker engine runs."""

import re

from attrs import frozen

_CONTINUATION = re.compile(r"\\\n\s*")
_COMMENT = re.compile(r"^\s*#.*\n", re.MULTILINE)


@frozen
class Instruction:
    """One instruction: `keyword` in capitals, and all that follows it on one line."""

    keyword: str
    value: str


@frozen
class Stage:
    """What follows one FROM, up to the next."""

    base: str
    instructions: tuple[Instruction, ...]

    def values(self, keyword: str) -> list[str]:
        return [each.value for each in self.instructions if each.keyword == keyword]

    @property
    def environment(self) -> dict[str, str]:
        pairs = " ".join(self.values("ENV")).split()
        return dict(pair.split("=", 1) for pair in pairs)


def stages(dockerfile: str) -> list[Stage]:
    """The stages of a Dockerfile that spells FROM without flags and ENV with `=`."""
    lines = _CONTINUATION.sub("", _COMMENT.sub("", dockerfile)).splitlines()
    found: list[tuple[str, list[Instruction]]] = []
    for keyword, value in (line.split(maxsplit=1) for line in lines if line.strip()):
        if keyword == "FROM":
            found.append((value.split()[0], []))
        else:
            found[-1][1].append(Instruction(keyword, value))
    return [Stage(base, tuple(instructions)) for base, instructions in found]
