"""What the translator reads in the texts of semantics is what their sources say."""

import pytest

from node.jit.hot_fields import effects_of
from node.jit.object_cache import object_code, silent
from node.jit.packed import texts_of
from node.jit.regions.text import reads_eip
from node.jit.runs import handlers_and_runs
from tests.support.engine import cache_directory


@pytest.mark.timeout(900)  # the first test may have to compile the interpreter
def test_a_text_reads_eip_if_the_semantic_or_anything_it_calls_touches_it() -> None:
    texts = texts_of(object_code(cache_directory(), silent))[1:]
    told = {n: reads_eip(text) for n, text in enumerate(texts) if text}
    handlers = handlers_and_runs()
    expected = {
        n: handler is not None and "eip" in effects_of(handler.semantic).touched
        for n in told
        for handler in [handlers[n]]
    }
    assert told == expected
    assert 100 < sum(told.values()) < len(told)
