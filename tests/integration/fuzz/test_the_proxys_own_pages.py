"""The proxy's own pages hold to their description, whatever they are asked."""

import json
from typing import Any

import pytest
from hypothesis import given
from tests.fuzzing import for_a_while, short
from tests.raw_client import connected
from tests.running_proxy import RunningProxy

schemathesis: Any = pytest.importorskip(
    "schemathesis", reason="schemathesis is in the dependency group fuzz"
)
checks: Any = pytest.importorskip("schemathesis.specs.openapi.checks")

pytestmark = [
    pytest.mark.fuzz,
    # Its own dependencies are not ours to keep free of them.
    pytest.mark.filterwarnings("default"),
]


def test_every_answer_is_one_that_is_described(proxy: RunningProxy) -> None:
    with connected(proxy.address) as client:
        document = json.loads(client.ask(b"GET", b"/_proxy/docs").body)
    operations = [
        found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()
    ]
    assert len(operations) == len(document["paths"])
    sound, unsound = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    # More is taken than is described: a ratio may be spelt as a text, as in a setting.
    accepted = checks.negative_data_rejection
    # Where nothing is given, nothing can be given wrongly.
    unsoundly = [(operation, unsound) for operation in operations if operation.method == "post"]
    questions = [*[(operation, sound) for operation in operations], *unsoundly]

    def check() -> None:
        for operation, mode in questions:

            @short
            @given(case=operation.as_strategy(generation_mode=mode))
            def answers_as_described(case: Any) -> None:
                case.call_and_validate(base_url=proxy.url, excluded_checks=[accepted])

            answers_as_described()

    for_a_while(check)

    assert proxy.process.poll() is None
    assert "Traceback" not in proxy.stderr
