"""Where conversations to evaluate come from, and how a bad file is named."""

import json
from pathlib import Path

import pytest

from openai_proxy.adapters.evaluation.corpus import (
    PART_CHARACTERS,
    UnreadableCorpus,
    read_corpus,
    read_sample,
)
from openai_proxy.domain.evaluation.conversations import Conversation, Message


def request(*messages: tuple[str, object]) -> str:
    said = [{"role": role, "content": content} for role, content in messages]
    return json.dumps({"model": "gpt-4o", "messages": said}) + "\n"


def test_a_text_file_is_one_question(tmp_path: Path) -> None:
    file = tmp_path / "question.txt"
    file.write_text("\ufeffWarum?\r\nDarum.\n", encoding="utf-8", newline="")

    assert [*read_corpus([file])] == [Conversation.of_text("Warum?\r\nDarum.\n")]


def test_a_long_text_is_several_each_ending_with_a_line(tmp_path: Path) -> None:
    file = tmp_path / "book.md"
    line = "A line of the book.\n"
    file.write_text(line * 10_000, encoding="utf-8")

    texts = [text for said in read_corpus([file]) for text in said.compressed_texts]

    assert "".join(texts) == line * 10_000
    assert len(texts) == 4
    assert all(text.endswith("\n") for text in texts)


def test_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "line.txt"
    file.write_text("x" * 5 * PART_CHARACTERS, encoding="utf-8")

    texts = [text for said in read_corpus([file]) for text in said.compressed_texts]

    assert max(map(len, texts)) == 2 * PART_CHARACTERS
    assert "".join(texts) == "x" * 5 * PART_CHARACTERS


def test_a_line_of_jsonl_is_a_conversation(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "text", "text": "What is it?"},
    ]
    lines = [request(("system", "Be brief."), ("user", parts)), "\n", request(("user", "Why?"))]
    file.write_text("".join(lines), encoding="utf-8")

    assert [*read_corpus([file])] == [
        Conversation(
            (Message("system", ("Be brief.",)), Message("user", ("Look:", "What is it?")))
        ),
        Conversation.of_text("Why?"),
    ]


def test_messages_of_the_same_role_stay_apart(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    file.write_text(request(("user", "One."), ("user", "Two.")), encoding="utf-8")

    (conversation,) = read_corpus([file])

    assert conversation.messages == (Message("user", ("One.",)), Message("user", ("Two.",)))


def test_a_directory_is_all_files_in_it_by_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.txt", "a.txt", "b/x.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")

    texts = [text for said in read_corpus([tmp_path]) for text in said.compressed_texts]

    assert texts == ["a.txt", "b/x.txt", "c.txt"]


def test_the_sample_holds_several_scripts_and_a_conversation_of_many_turns() -> None:
    sample = [*read_sample()]

    texts = "".join(text for said in sample for text in said.compressed_texts)
    assert all(letter in texts for letter in "aяة水अ")
    assert max(len(said.messages) for said in sample) > 6


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("chats.jsonl", b'{"messages": [\n', "line 1: is not sound JSON"),
        ("chats.jsonl", b"\n[1, 2]\n", "line 2: is not a chat request"),
        ("chats.jsonl", b'{"model": "gpt-4o"}\n', "line 1: is not a chat request"),
        ("latin.txt", "Grüße".encode("latin-1"), "is not text in UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_the_line(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)

    with pytest.raises(UnreadableCorpus) as refused:
        list(read_corpus([file]))

    assert str(refused.value) in (f"{file}: {reason}", f"{file}, {reason}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCorpus, match=r"nowhere\.txt: No such file"):
        list(read_corpus([tmp_path / "nowhere.txt"]))
