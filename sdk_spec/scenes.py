"""
The dictionary of entry scenes (场景值) as versioned data: ``scenes.v1.json``.

The key of a scene is (platform, code string): 1001 means different things on WeChat, QQ and Alipay, and codes have
leading zeros. Unknown codes are no error anywhere; they are shown as themselves. A scheme groups scenes; several exist
side by side, so a report can be grouped again without ingesting again.

Source of names: the platforms' scene tables as read in 2026-11 (WeChat, Alipay, Douyin, Baidu, QQ, Kuaishou, JD, Lark);
``standard`` groups are ours, the platforms have none.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec
from msgspec import Struct


class Scene(Struct, frozen=True):
    """One entry of one platform. ``host`` is the host app where a platform has several."""

    platform: str
    scene: str
    name: str = ""
    group: str = ""
    host: str = ""
    note: str = ""
    deprecated: bool = False


class Scheme(Struct, frozen=True):
    """
    A grouping: ``overrides`` by "platform:scene" first, then ``groups`` by standard group, then ``default``.

    An empty ``default`` keeps the standard group.
    """

    scheme: str
    version: str
    title: str
    title_en: str
    groups: dict[str, str]
    default: str
    overrides: dict[str, str]

    def group_of(self, scene: Scene) -> str:
        """Return the group of a scene; each scene is in exactly one group of a scheme."""
        override = self.overrides.get(f"{scene.platform}:{scene.scene}")
        return override or self.groups.get(scene.group) or self.default or scene.group


class Dictionary(Struct, frozen=True):
    """The whole file."""

    version: str
    schemes: list[Scheme]
    scenes: list[Scene]


@cache
def dictionary() -> Dictionary:
    """Read the dictionary shipped with the package."""
    text = resources.files("sdk_spec").joinpath("scenes.v1.json").read_bytes()
    return msgspec.json.decode(text, type=Dictionary)
