"""The packaged encodings are tiktoken's own, and need neither network nor cache."""

import gzip
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from benchmarks.texts import SOURCES, text_of
from hypothesis import given
from tests.strategies import texts

from openai_proxy.adapters import tokenizer_for
from openai_proxy.adapters.compression.tokenizer import (
    VOCABULARIES,
    DamagedVocabulary,
    Vocabularies,
    load_encoding,
    read_ranks,
)

ENCODINGS = sorted(VOCABULARIES)


def packaged(name: str) -> bytes:
    vocabularies = files("openai_proxy.adapters.compression").joinpath("vocabularies")
    return vocabularies.joinpath(f"{name}.tiktoken.gz").read_bytes()


@pytest.fixture(params=ENCODINGS)
def reference(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What tiktoken makes of the same file by its own means, its cache filled beforehand."""
    # tiktoken finds a file under the SHA-1 of the address that it would download.
    names = {
        "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
    }
    name: str = request.param
    (tmp_path / names[name]).write_bytes(gzip.decompress(packaged(name)))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    made: dict[str, Any] = getattr(import_module("tiktoken_ext.openai_public"), name)()
    return made


def test_patterns_ranks_and_special_tokens_are_those_of_tiktoken(reference: dict[str, Any]) -> None:
    name = reference["name"]

    ours = VOCABULARIES[name]

    assert ours.pattern == reference["pat_str"]
    assert ours.special_tokens == reference["special_tokens"]
    assert read_ranks(name, packaged(name), ours.sha256) == reference["mergeable_ranks"]


def test_every_script_becomes_the_tokens_of_tiktoken(reference: dict[str, Any]) -> None:
    theirs = tiktoken.Encoding(**reference)
    ours = load_encoding(reference["name"])

    for script in SOURCES:
        text = text_of(script, 200, ours)
        assert ours.encode(text) == theirs.encode(text)


@given(texts)
def test_tokens_spell_the_text_that_they_were_made_of(text: str) -> None:
    tokenizer = tokenizer_for("gpt-4o")

    tokens = tokenizer.encode(text, disallowed_special=())

    assert b"".join(tokenizer.decode_tokens_bytes(tokens)) == text.encode()


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("ft:gpt-4.1-mini:acme::abc", "o200k_base"),
        ("openai/gpt-3.5-turbo", "cl100k_base"),
        ("", "o200k_base"),
    ],
)
def test_a_model_gets_the_encoding_that_it_is_billed_in(model: str, encoding: str) -> None:
    assert tokenizer_for(model).name == encoding


def test_an_encoding_is_loaded_once_however_many_ask_at_the_same_time() -> None:
    vocabularies = Vocabularies()

    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(vocabularies.tokenizer_for, ["gpt-4"] * 8))

    assert len(set(map(id, loaded))) == 1


def test_an_encoding_that_is_not_packaged_is_an_error() -> None:
    with pytest.raises(KeyError, match="p50k_base"):
        Vocabularies().encoding("p50k_base")


@pytest.mark.parametrize(
    ("damaged", "complaint"),
    [
        (gzip.compress(b"IQ== 0\n"), "gpt: the vocabulary is not the one that was packaged"),
        (b"<html>not a vocabulary</html>", "gpt: the vocabulary cannot be unpacked"),
        (gzip.compress(b"IQ== 0\n" * 99)[:-9], "gpt: the vocabulary cannot be unpacked"),
    ],
)
def test_a_damaged_vocabulary_is_never_used(damaged: bytes, complaint: str) -> None:
    with pytest.raises(DamagedVocabulary, match=complaint):
        read_ranks("gpt", damaged, VOCABULARIES["cl100k_base"].sha256)


def test_it_loads_without_a_home_a_cache_or_a_network(tmp_path: Path) -> None:
    script = (
        "import socket\n"
        "def refuse(*_): raise OSError('there is no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from openai_proxy.adapters import tokenizer_for\n"
        "print(tokenizer_for('gpt-4o').encode('hello world'))\n"
    )
    environment = {
        "HOME": str(tmp_path / "nowhere"),
        "TMPDIR": str(tmp_path),
        "PATH": os.environ["PATH"],
    }

    output = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout

    assert output == "[24912, 2375]\n"
    assert list(tmp_path.iterdir()) == []


def test_the_other_adapters_do_not_wait_for_tiktoken() -> None:
    script = "import sys, openai_proxy.adapters; print('tiktoken' in sys.modules)"

    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout

    assert output == "False\n"


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_encoding_is_pickled_by_its_name(name: str) -> None:
    encoding = load_encoding(name)
    pickled = pickle.dumps(encoding)

    assert len(pickled) < 1000
    assert pickle.loads(pickled).encode("Why is the sky blue?") == encoding.encode(
        "Why is the sky blue?"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_vocabulary_takes_up_little_more_than_its_tables() -> None:
    script = """if True:
        import os

        from openai_proxy.adapters.compression.tokenizer import load_encoding

        def resident() -> int:
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        before = resident()
        kept = load_encoding("o200k_base")
        print((resident() - before) // 2**20)
    """

    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert int(told.stdout) < 65  # With the table that it is built from, 81.
