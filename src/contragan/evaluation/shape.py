"""What the record of an evaluation must look like to be read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    """Entries that are not named here may be anything."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Merged(_Part):
    classes: tuple[str, ...]
    shown: str


class _ClassFidelity(_Part):
    conditional: bool | None = None
    permuted: bool = False
    permutation: dict[str, str] = Field(default_factory=dict)
    merged: tuple[_Merged, ...] | None = None
    lost: tuple[str, ...] | None = None
    confused: bool | None = None

    @model_validator(mode="after")
    def _says_what_is_permuted(self) -> _ClassFidelity:
        if self.permuted and not self.permutation:
            raise ValueError("classes are permuted, but not said how")
        return self


class _Extractor(_Part):
    extractor: str
    dim: int | None = None
    resize: str | None = None
    precision: str | None = None


class _Protocol(_Part):
    extractor: _Extractor
    batch_norm: str | None = None


class _Record(_Part):
    values: dict[str, float]
    class_fidelity: _ClassFidelity | None
    protocol: _Protocol
    counts: dict[str, int | None]
    context: dict[str, Any]
    warnings: tuple[str, ...]
    details: dict[str, Any] = Field(default_factory=dict)


def check_whole(fields: Mapping[str, Any]) -> None:
    """Raises ValueError where a record lacks what readers of it count on, or has another type."""
    _Record.model_validate(fields)
