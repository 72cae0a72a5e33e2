"""LangChain's chat model, given the proxy's address, notices no difference."""

import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import ScriptedUpstream


@pytest.fixture
def model(proxy: RunningProxy) -> ChatOpenAI:
    key = SecretStr("sk-callers-own")
    return ChatOpenAI(model="gpt-4o", base_url=f"{proxy.url}/v1", api_key=key, max_retries=0)


def test_an_answer(model: ChatOpenAI, upstream: ScriptedUpstream) -> None:
    answer = model.invoke("How are you?")

    assert answer.content == "How are you?"
    assert upstream.requests[0].values(b"authorization") == [b"Bearer sk-callers-own"]


@pytest.mark.usefixtures("upstream")
def test_a_stream(model: ChatOpenAI) -> None:
    pieces = [piece.content for piece in model.stream("How are you?")]

    assert "".join(map(str, pieces)) == "How are you? "
