"""What an agent that looks after failed Dagster runs may propose, as its author writes it.

trigger: {on: run_failed}
recovery: {remedies: [retry, wait, escalate], attempts: 3}
"""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from agent_resources.remedies import Remedy, tool_of
from agent_resources.tool import Tool
from agent_resources.written import Whole, Written, as_list


class Recovery(Written):
    """The remedies that it may propose, and after how many tries of the same run it is not asked any more. `more_resources` are the tags that a run of
    `retry_with_more_resources` gets, as the launcher of the operator understands them.

    What is done without a person, and how often, says the policy alone.
    """

    remedies: Annotated[
        tuple[Remedy, ...], BeforeValidator(as_list), Field(min_length=1, max_length=5)
    ]
    attempts: Whole = Field(default=3, ge=1, le=20)
    more_resources: dict[str, str] = Field(default={}, max_length=20)

    @model_validator(mode="after")
    def _says_what_is_more(self) -> Self:
        needs = Remedy.RETRY_WITH_MORE_RESOURCES in self.remedies
        if needs != bool(self.more_resources):
            raise ValueError(
                "retry_with_more_resources and more_resources go together: the tags of the run that has more"
            )
        if len(set(self.remedies)) < len(self.remedies):
            raise ValueError("names a remedy twice")
        return self

    @property
    def tools(self) -> tuple[Tool, ...]:
        """By which it proposes them."""
        return tuple(map(tool_of, self.remedies))
