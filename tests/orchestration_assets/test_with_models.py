"""`make demo-llm` says what to set where nothing is; what it does with a model is the story's own."""

import pytest

from orchestration_assets.defs import with_models


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (with_models.MODEL, with_models.BASE_URL, with_models.KEY, with_models.MODE):
        monkeypatch.delenv(name, raising=False)


def test_what_to_set_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert with_models.main() == 2
    told = capsys.readouterr().err
    for name in (with_models.MODEL, with_models.BASE_URL, with_models.KEY, with_models.MODE):
        assert name in told


def test_a_mode_that_there_is_not_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(with_models.MODEL, "openai:gpt-5-mini")
    monkeypatch.setenv(with_models.MODE, "strict")
    assert with_models.main() == 2
    assert "'strict'; it is tools or constrained" in capsys.readouterr().err
