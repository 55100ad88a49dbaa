"""Finds what looks like personal data: a tripwire behind the tags that dimensions declare, which the policy holds to.

A pattern finds candidates, and a library says whether they are what they look like. Names and addresses of people have no pattern, and are
not found.
"""

import re
from collections.abc import Iterator, Sequence

import phonenumbers
from stdnum import iban, luhn
from stdnum.us import ssn

from agent_resources.guardrails.screen import Finding, Passage

_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}\b")
_CARD = re.compile(
    r"(?<![\w.,+-])(?:(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6011\d{12}|65\d{14})|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|3\d{3}([ -])\d{6}\2\d{4,5})(?![\w-]|[.,]\d)"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b")
_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_PHONE = re.compile(r"(?<![\w.,])\+\d{1,3}(?:[ -]?\(?\d{1,5}\)?){2,6}(?![\w]|[.,]\d)")
_GAP = re.compile(r"[ ()-]+")
# A day, or a number without gaps that is short for one with the code of a country.
_NO_PHONE = re.compile(r"\d{4}-\d{2}-\d{2}|\+\d{1,9}(?!\d)\Z")
_HAS_CANDIDATE = re.compile(r"@|\d{2}")


class PersonalData:
    """A screen for e-mail addresses, telephone numbers with their country's code, bank accounts (IBAN), payment cards and US social security
    numbers.
    """

    name = "personal_data"
    passage = Passage.MASKED

    def find(self, text: str) -> Sequence[Finding]:
        """What looks like personal data, in the order of the text."""
        if not _HAS_CANDIDATE.search(text):
            return ()
        return sorted(_found_in(text), key=lambda item: (item.start, -item.end))


def _found_in(text: str) -> Iterator[Finding]:
    for match in _EMAIL.finditer(text):
        yield _finding("e-mail address", match)
    for match in _IBAN.finditer(text):
        if iban.is_valid(match[0]):
            yield _finding("bank account", match)
    for match in _CARD.finditer(text):
        if luhn.is_valid(re.sub(r"\D", "", match[0])):
            yield _finding("payment card", match)
    for match in _SSN.finditer(text):
        if ssn.is_valid(match[0]):
            yield _finding("social security number", match)
    for match in _PHONE.finditer(text):
        number = _longest_number(match[0])
        if number and not _NO_PHONE.search(number):
            yield Finding(
                what="telephone number", start=match.start(), end=match.start() + len(number)
            )


def _longest_number(candidate: str) -> str | None:
    """The longest beginning of a candidate that is a telephone number, cut at its gaps; None where none is."""
    for end in [len(candidate), *(gap.start() for gap in reversed(list(_GAP.finditer(candidate))))]:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(candidate[:end])):
                return candidate[:end]
        except phonenumbers.NumberParseException:
            continue
    return None


def _finding(what: str, match: re.Match[str]) -> Finding:
    return Finding(what=what, start=match.start(), end=match.end())
