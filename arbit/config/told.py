"""Every setting with its value and who said it: what `arbit config show` tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, SecretStr

from arbit.config.fields import inner_model, is_setting
from arbit.config.load import Heard
from arbit.config.rows import value_text
from arbit.config.settings import Settings
from arbit.config.text import MASK, Said, key_of, may_log_in

DEFAULT = "default"
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One setting, fit for a screen: what may be secret is masked. An empty value means unset."""

    key: str
    value: str
    source: str
    default: str


def told_settings(heard: Heard, venues: Sequence[str] = ()) -> list[Told]:
    """Every setting, those of venues last: of the venues named, and of which something was said.

    UserError for no venue's name. Empty when what was said is wrong.
    """
    if heard.settings is None:
        return []
    said_of = (path[1] for path in heard.said if path[0] == "venues")
    names = list(dict.fromkeys([*(venues or heard.settings.default_venues), *said_of]))
    defaults = dict(_values(Settings(), (), names))
    values = sorted(_values(heard.settings, (), names), key=lambda one: one[0][0] == "venues")
    return [_told(path, value, defaults[path], heard.said) for path, value in values]


def _told(path: Path, value: object, default: object, said: Mapping[Path, Said]) -> Told:
    words = said.get(path)
    source = DEFAULT if words is None else words.source
    return Told(key_of(path), _shown(path, value), source, _shown(path, default))


def _shown(path: Path, value: object) -> str:
    """A value as text, masked where it is one of those that are never shown."""
    if isinstance(value, SecretStr):
        return MASK
    text = value_text(path[-1], value)
    return MASK if may_log_in(key_of(path), text) else text


def _values(model: BaseModel, above: Path, venues: Sequence[str]) -> Iterator[tuple[Path, object]]:
    """Every leaf of the tree by its path, of the venues these alone."""
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if not is_setting(info):
            continue
        inner, named = inner_model(info)
        if named and isinstance(model, Settings):
            for venue in venues:
                yield from _values(model.venue(venue), (*above, name, venue), venues)
        elif inner is not None:
            yield from _values(value, (*above, name), venues)
        else:
            yield (*above, name), value
