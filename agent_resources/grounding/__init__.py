"""Whether what an agent states can be traced to cells that it read.

Every number, percentage, day and ranking of a text is looked for in the reads that the text cites: as a cell, as what cells of a column come
to, or as what two of them are to each other. English only, and a tripwire: what it finds is wrong or cannot be traced, what it does
not find may still be wrong.
"""

from agent_resources.grounding.grounding import GroundedText, ground, untraced_claims
from agent_resources.grounding.trace import Claim, ClaimKind, Trace

__all__ = ["Claim", "ClaimKind", "GroundedText", "Trace", "ground", "untraced_claims"]
