"""Finds texts that read like instructions to a model: a tripwire.

What an agent reads is data, and travels as JSON values; what it may read and call is decided without its model. This finds attacks that
take no trouble to hide, so that they are on record and out of the model's sight. It does not find all of them.
"""

import re
import unicodedata
from collections.abc import Sequence

from agent_resources.guardrails.screen import Finding, Passage

_OF_BEFORE = r"(?:previous|prior|above|earlier|preceding|former|initial|original|existing|other|system|safety|your|my|the|these|those|any|all|every)"
_ORDERS = r"(?:instructions?|prompts?|directions?|directives?|rules?|commands?|guidelines?|constraints?|restrictions?|polic(?:y|ies)|context|programming|training|guardrails?)"
_PATTERNS = {
    "sets instructions aside": (
        rf"\b(?:ignore|ignoring|disregard|forget|override|bypass|discard|abandon|neglect|violate|stop following)\b[^.\n]{{0,40}}\b{_OF_BEFORE}\b[^.\n]{{0,40}}\b{_ORDERS}\b",
        rf"\b(?:ignore|disregard|forget)\s+{_ORDERS}\b",
        r"\b(?:ignore|disregard|forget)\b[^.\n]{0,20}\b(?:the rest|everything|anything|all|what)\b[^.\n]{0,30}\b(?:above|before|previous(?:ly)?|prior|said|told|learned|data|text|content|info(?:rmation)?)\b",
        rf"\b(?:do not|don't|never|no longer)\s+(?:follow|obey|adhere to|comply with)\b[^.\n]{{0,40}}\b{_ORDERS}\b",
    ),
    "gives new instructions": (
        r"\b(?:new|updated|revised|real|actual|additional|important|urgent|following|special)\s+(?:system\s+)?(?:instructions?|directives?|prompts?|orders|task)\b\s*(?:[:\-]|are|is|for you)",
        r"\b(?:you are|you're|you will be|act as|acting as|behave as|pretend (?:to be|that|you)|roleplay as|simulate|respond as)\b[^.\n]{0,40}\b(?:now|from now on|an? (?:ai|assistant|unrestricted|unfiltered|evil|different|jailbroken|hacker)|DAN|developer mode)\b",
        r"\bfrom now on\b[^.\n]{0,60}\b(?:you|respond|answer|act|speak)\b",
        r"\b(?:instead|rather)\b[,:]?\s+(?:you (?:must|should|will)|output|print|say|respond|reply|write|do|call|execute|run|send)\b",
        r"\b(?:before|after|while|when)\b[^.\n]{0,60}\b(?:you can|you must|you should|please) (?:first |also |then )?(?:do|make|send|call|book|transfer|delete|create|visit|go to|click)\b",
        r"(?:^|[.!?:\n] ?|\bplease |\bjust |\bsimply )(?:reply|respond|answer)\b[^.\n]{0,30}\b(?:only|nothing else|nothing but|exactly)\b",
        r"\b(?:note|message|instructions?)\s+(?:to|for)\s+(?:the |any |all )?(?:ai|llms?|assistants?|automated|agents?|models?|chatbots?)\b",
        r"\b(?:before you can|so that i can)\b[^.\n]{0,40}\b(?:solve|help|task)\b",
    ),
    "speaks in another role": (
        r"<\|?\s*/?\s*(?:im_start|im_end|system|assistant|user|endoftext|start_header_id|eot_id|begin_of_text)\s*\|?>",
        r"\[\s*/?\s*(?:INST|SYS|SYSTEM)\s*\]|<<\s*/?SYS\s*>>",
        r"(?:^|\n) ?(?:#{1,6} ?)?(?:system|assistant|developer)(?: (?:prompt|message|note|override))? ?: ?(?:you|your|ignore|disregard|forget|please|do|always|never|from|new|print|output|tell|call|run|the user)\b",
        r"(?:^|\n)\s*#{2,6}\s*\(?(?:instructions?|system(?:_message)?|response)\b",
        r"\bsystem message\b[^.\n]{0,10}:",
        r"</?\s*(?:information|important|instructions?|system_prompt|tool_result|function_calls?|user_query)\s*>",
        r"\b(?:this is|message from)\b[^.\n]{0,40}\b(?:the )?(?:system|developer|administrator|admin|operator|your (?:creator|owner|user|boss))\b[^.\n]{0,10}[:,]",
    ),
    "asks for what is kept": (
        r"\b(?:reveal|repeat|print|show|output|display|leak|expose|tell me|give me|write(?: out)?|recite|return|list|dump|what (?:is|are|was|were))\b[^.\n]{0,50}\b(?:system|initial|hidden|secret|original|internal|your)\s+(?:system\s+)?(?:prompts?|instructions?|rules|configuration|guidelines)\b",
        r"\b(?:reveal|print|show|output|leak|expose|send|exfiltrate|give me|list)\b[^.\n]{0,40}\b(?:api[ _-]?keys?|passwords?|credentials?|secrets?|tokens?|environment variables?)\b",
    ),
    "calls for an act": (
        r"\b(?:call|use|invoke|run|execute|trigger)\b (?:the|this|a|an|your|following|these)\b[^.\n]{0,30}\b(?:tools?|functions?|sql|shell|command|script|code|api)\b[^.\n]{0,60}\b(?:with|to|and|on|named|called|below|following|:)\b",
        r"\b(?:call|invoke|execute|run)\s+`?[a-z]+_[a-z_]+`?\s*\(",
        r"\b(?:send|forward|e-?mail|post|upload|transmit|submit|leak|exfiltrate|share|deliver)\b[^.\n]{0,80}(?:https?://|www\.|\S+@\S+\.\w|\b(?:webhook|attacker|my (?:server|address|account|e-?mail))\b)",
        r"\b(?:visit|open|click(?: on)?|go to|navigate to|browse to|download|fetch|curl|wget)\b[^.\n]{0,40}(?:https?://|www\.)",
        r"\b(?:send|transfer|wire|pay)\b[^.\n]{0,60}\b(?:to|account|iban)\b[^.\n]{0,20}\b[A-Z]{2}\d{2}[A-Z0-9]{8,}",
        r"\b(?:delete|drop|remove|wipe|erase|truncate)\b[^.\n]{0,20}\b(?:all|every|the|my|these)\b[^.\n]{0,20}\b(?:files?|e-?mails?|tables?|records?|data(?:base)?|events?|messages?|entries)\b",
    ),
    "tells to keep quiet": (
        r"\b(?:do not|don't|never|without)\s+(?:tell(?:ing)?|inform(?:ing)?|mention(?:ing)?|reveal(?:ing)?|notify(?:ing)?|alert(?:ing)?|let(?:ting)?|say(?:ing)?|disclos(?:e|ing))\b[^.\n]{0,40}\b(?:user|anyone|anybody|them|human|owner|this|it)\b",
    ),
    "hides from a person": (
        r"\b(?:invisible|hidden|not visible)\s+(?:to|from|for)\s+(?:humans?|people|users?|readers?)\b",
    ),
    "takes a safeguard away": (
        r"\b(?:jailbreak|jailbroken|developer mode|god mode|DAN mode|do anything now|unrestricted mode|without (?:any )?(?:ethical |moral )?(?:filters?|censorship))\b",
    ),
}
_COMPILED = {
    what: re.compile("|".join(f"(?:{item})" for item in patterns), re.IGNORECASE)
    for what, patterns in _PATTERNS.items()
}
# Too short to say what to do.
_SHORTEST = 8
# Tags, which no font shows; signs that turn the direction of a text; and signs without width.
_UNSEEN = re.compile(
    "[\U000e0000-\U000e007f\u202a-\u202e\u2066-\u2069\u200b-\u200f\u2060-\u2064\ufeff\u00ad]"
)
_SPACES = re.compile(r"\s+")
_TURNED_OR_TAGGED = re.compile("[\U000e0000-\U000e007f\u202a-\u202e\u2066-\u2069]")


def _plain(text: str) -> str:
    """A text as a model would read it: without signs that nobody sees, and with one space or line break for many, so that no pattern looks long."""
    seen = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return _SPACES.sub(lambda found: "\n" if "\n" in found[0] else " ", seen)


class Injections:
    """A screen for texts that read like instructions to a model, or that hide something from who looks at them."""

    name = "injections"

    def __init__(self, *, is_withheld: bool = True) -> None:
        self.passage = Passage.WITHHELD if is_withheld else Passage.AS_IT_IS

    def find(self, text: str) -> Sequence[Finding]:
        """The whole text, once for each way in which it reads like an instruction."""
        found = ["hides signs"] if _TURNED_OR_TAGGED.search(text) else []
        if len(text) >= _SHORTEST:
            plain = _plain(text)
            found += [what for what, pattern in _COMPILED.items() if pattern.search(plain)]
        return [
            Finding(what=f"reads like an instruction: {what}", start=0, end=len(text))
            for what in found
        ]
