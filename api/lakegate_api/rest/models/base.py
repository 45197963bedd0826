"""What all shapes share: bounded values, pages and the error body."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

# Year 9999: larger times overflow what clients and databases keep.
Seconds = Annotated[int, Field(ge=0, le=253_402_300_799, description="Seconds since the epoch, UTC.")]
Milliseconds = Annotated[int, Field(ge=0, le=253_402_300_799_999, description="Milliseconds since the epoch, UTC.")]
# What may stand in an HTTP header when the object is read back.
HeaderValue = Annotated[str, Field(pattern=r"^[ -~]*$", max_length=4096)]
Metadata = Annotated[dict[str, str], Field(description="The user's own keys and values.")]


class Answer(BaseModel):
    """An answer has exactly the documented fields."""

    model_config = ConfigDict(extra="forbid")


class Ask(BaseModel):
    """A request may hold fields that lakegate does not know: clients are often newer, or older."""

    model_config = ConfigDict(extra="ignore")


class Error(Answer):
    """Why a request was refused. `message` ends with what to do next, which `hint` repeats alone."""

    message: str
    code: str = Field(description="Stable: codes are only ever added.")
    hint: str = ""
    details: dict[str, Any] = Field(default={})


class Pagination(Answer):
    """Send `next_offset` back as `after` for the next page."""

    has_more: bool
    next_offset: str
    results: int
    max_per_page: int
