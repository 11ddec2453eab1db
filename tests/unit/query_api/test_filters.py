"""Filters as SQL text: nothing of a request is ever in it."""

from importlib import resources

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_api.bindings import Bindings
from query_api.errors import InvalidRequest
from query_api.fields import NUMBER_COLUMNS, TEXT_COLUMNS
from query_api.filters import event_names_sql, filter_sql, selector_sql
from query_api.params import EventSelector, Filter, Operator

TEXT = st.text(max_size=20)
VALUE = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
)
NODES = st.recursive(
    st.fixed_dictionaries(
        {
            "field": st.one_of(
                st.sampled_from(["scene", "seq", "event"]),
                TEXT.map(lambda t: f"properties.{t}"),
                TEXT,
            ),
            "op": st.sampled_from(Operator.__args__),
            "values": st.lists(VALUE, max_size=3),
            "not": st.booleans(),
        }
    ),
    lambda children: st.fixed_dictionaries(
        {"relation": st.sampled_from(["and", "or"]), "conditions": st.lists(children, max_size=3)}
    ),
    max_leaves=5,
)
ALLOWED = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_{}:()[],.<>=!'+-> \n")


@settings(deadline=None)
@given(NODES)
def test_sql_holds_only_our_own_words(node):
    bindings = Bindings()
    try:
        sql = filter_sql(msgspec.convert(node, Filter), "$.filter", bindings)
    except (InvalidRequest, msgspec.ValidationError):
        return
    assert set(sql) <= ALLOWED
    assert sql.count("'") % 2 == 0
    assert all(name == "scheme" or name[0] == "p" for name in bindings.values)


def test_every_column_is_a_column_of_events():
    columns = {*TEXT_COLUMNS.values(), *(name.replace(".", "_") for name in NUMBER_COLUMNS)}
    text = resources.files("collector.sql").joinpath("0001_events.sql").read_text("utf-8")
    assert all(f"\n    {column} " in text for column in columns)


def test_names_of_events_narrow_the_read():
    bindings = Bindings()
    assert event_names_sql([EventSelector(event="b"), EventSelector(event="a")], bindings) == (
        "event IN {p0:Array(String)}"
    )
    assert bindings.values == {"p0": ["a", "b"]}
    assert event_names_sql([EventSelector(event="b"), EventSelector()], bindings) == "1"
    assert selector_sql(EventSelector(), "$", bindings) == "1"


@pytest.mark.parametrize(
    "name", ["user.city", "properties.", "properties", "EVENT", "events", "actor", "device.colour"]
)
def test_what_is_not_a_field_is_refused(name):
    with pytest.raises(InvalidRequest):
        filter_sql(Filter(field=name, op="exists"), "$.filter", Bindings())
