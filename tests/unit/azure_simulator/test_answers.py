"""The default answers: their texts and their tokens."""

import pytest

from azure_simulator import answers


def _text(*questions: str) -> str:
    return "".join(answers.answer(questions))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Hello!", "simulator"),
        ("Who are you?", "no language model"),
        ("Why is a cold start slow?", "cold start"),
        ("How does Flex Consumption scale out?", "concurrency"),
        ("How do Server-Sent Events stream?", "text/event-stream"),
        ("Why a managed identity instead of API keys?", "without a key"),
        ("Where do I rotate secrets: Key Vault?", "Key Vault Secrets User"),
        ("What does azd do with Bicep?", "azd up"),
        ("What does it cost per month?", "cost money"),
        ("Is Python fine with asyncio?", "event loop"),
        ("Describe elephants in Kenya", "Describe, elephants, Kenya"),
        ("", "simulator"),
    ],
)
def test_an_answer_is_about_the_message(message: str, expected: str) -> None:
    text = _text(message)

    assert expected in text
    assert 40 <= len(text.split()) <= 150
    assert text == _text(message)


def test_the_scaling_question_has_three_short_points() -> None:
    told = answers.answer([answers.SCALING_QUESTION])
    text = "".join(told)

    assert told[:2] == ("Azure Functions ", "scales automatically ")
    assert [line[:3] for line in text.splitlines() if line[:1].isdigit()] == ["1. ", "2. ", "3. "]
    assert 40 <= len(text.split()) <= 80


def test_tokens_are_words_with_the_space_before_them() -> None:
    assert answers.tokens("Two words.\n\n- one ") == ("Two", " words.", "\n\n-", " one", " ")


@pytest.mark.parametrize(("earlier", "expected"), [(1, "1 question before"), (3, "3 questions before")])
def test_an_answer_counts_the_earlier_questions(earlier: int, expected: str) -> None:
    assert expected in _text(*["hello"] * earlier, "hello")
    assert "before" not in _text("hello")
