"""Settings from the environment, and the table in the README."""

from importlib import resources
from pathlib import Path

import pytest

from query_api import __main__
from query_api.fields import NUMBER_COLUMNS, TEXT_COLUMNS
from query_api.params import Operator
from query_api.reports import REPORTS
from query_api.settings import TABLE, Settings, SettingsError, from_env

README = resources.files("query_api").joinpath("README.md").read_text("utf-8")


def test_an_empty_environment_gives_the_defaults():
    assert from_env({}) == Settings()
    assert set(TABLE) == set(Settings.__struct_fields__) - {"access_file"} | {"access_file"}


def test_values_are_read_with_their_types():
    found = from_env(
        {
            "SCENETRAIL_DATA_DIR": "/d",
            "SCENETRAIL_QUERY_PORT": "0",
            "SCENETRAIL_QUERY_SCHEMA_CACHE_S": "1.5",
        }
    )
    assert (found.access_file, found.port, found.schema_cache_s) == (Path("/d/access.json"), 0, 1.5)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SCENETRAIL_QUERY_PORT", "many"),
        ("SCENETRAIL_QUERY_PORT", "-1"),
        ("SCENETRAIL_QUERY_MAX_EXECUTION_TIME_S", "0"),
        ("SCENETRAIL_QUERY_DRAIN_TIMEOUT_S", "nan"),
        ("SCENETRAIL_LOG_LEVEL", "loud"),
        ("SCENETRAIL_QUERY_JOIN_ALGORITHM", "merge; DROP TABLE events"),
    ],
)
def test_a_wrong_value_names_its_variable(variable, value):
    with pytest.raises(SettingsError, match=variable):
        from_env({variable: value})


def test_help_and_readme_list_every_setting():
    usage = __main__.usage()
    for setting in TABLE.values():
        assert setting.variable in usage
        default = f"`{setting.default}`" if setting.default else "empty"
        assert (
            f"| `{setting.variable}` | {default} | {setting.unit} | {setting.meaning} |" in README
        )


def test_readme_names_every_field_and_operator():
    for name in (*TEXT_COLUMNS, *NUMBER_COLUMNS, *Operator.__args__):
        assert f"`{name}`" in README, name
    for name in ("events", "retention", "scenes"):
        assert name in REPORTS
        assert f"/v1/query/{name}`" in README
