"""The dictionary of entry scenes as shipped."""

from collections import Counter

from sdk_spec.events import Platform
from sdk_spec.scenes import Scene, Scheme, dictionary


def scheme(**changes: object) -> Scheme:
    valid = {
        "scheme": "s",
        "version": "1",
        "title": "t",
        "title_en": "t",
        "groups": {"search": "S"},
        "default": "D",
        "overrides": {"wechat:1044": "X"},
    }
    return Scheme(**(valid | changes))  # type: ignore[arg-type]


def test_a_scene_stands_once_per_platform():
    counts = Counter((scene.platform, scene.scene) for scene in dictionary().scenes)

    assert [key for key, count in counts.items() if count > 1] == []


def test_platforms_of_scenes_are_platforms_of_the_wire():
    assert {scene.platform for scene in dictionary().scenes} <= set(Platform.__args__)


def test_codes_are_texts_and_leading_zeros_are_kept():
    codes = {scene.scene for scene in dictionary().scenes}

    assert all(codes)
    assert any(code.startswith("0") and len(code) > 1 for code in codes)


def test_at_least_two_schemes_stand_side_by_side():
    names = [one.scheme for one in dictionary().schemes]

    assert {"standard", "five", "domain"} <= set(names)
    assert len(names) == len(set(names))


def test_every_scheme_gives_every_scene_one_group():
    for one in dictionary().schemes:
        assert all(one.group_of(scene) for scene in dictionary().scenes), one.scheme


def test_overrides_name_scenes_that_exist():
    known = {f"{scene.platform}:{scene.scene}" for scene in dictionary().scenes}

    for one in dictionary().schemes:
        assert set(one.overrides) <= known, one.scheme


def test_an_override_wins_over_the_group_and_the_group_over_the_default():
    assert scheme().group_of(Scene("wechat", "1044", group="search")) == "X"
    assert scheme().group_of(Scene("wechat", "1005", group="search")) == "S"
    assert scheme().group_of(Scene("wechat", "1001", group="other")) == "D"
    assert scheme(default="").group_of(Scene("wechat", "1001", group="other")) == "other"
