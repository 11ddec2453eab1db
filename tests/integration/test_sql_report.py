"""The sql report: what the views hold, what a statement may do, and an attack on everything that it may not."""

# ruff: noqa: S608, E501 (statements are what is tested)

import pytest
from many_logs import asker_of
from query_support import APP, ENDLESS, bind, event, id_key, insert

from collector.local_clickhouse import LocalServer
from collector.migrate import connect, migrate
from query_api.errors import QueryError
from query_api.sql_functions import is_allowed

RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-31"}}
OTHERS = "page-of-another-brand"


@pytest.fixture(scope="module")
def url(clickhouse: LocalServer):
    """The database that the reader may read, with rows of this app, another app and another brand."""
    writer = clickhouse.url("writer")
    migrate(writer)
    client = connect(writer)
    rows = [
        event("u1", "app_launch", "2026-10-02T10:00:00+08:00", session_id="s1", scene="1007"),
        event("u1", "page_view", "2026-10-02T10:01:00+08:00", session_id="s1", page="home"),
        event("u1", "page_view", "2026-10-02T10:02:00+08:00", session_id="s1", page="goods"),
        event("anonymous_id:d1", "page_view", "2026-10-03T10:00:00+08:00", page="home"),
        event("u2", "order_pay", "2026-10-03T11:00:00+08:00", properties={"amount": 12.5, "city": "北京"}),
        event("u2", "order_pay", "2026-11-03T11:00:00+08:00", properties={"amount": 99}),
        event("v1", "page_view", "2026-10-02T10:00:00+08:00", app_id="wx0002", page=OTHERS),
        event("w1", "page_view", "2026-10-02T10:00:00+08:00", app_id="wx9999", project="other", page=OTHERS),
    ]  # fmt: skip
    insert(client, rows)
    insert(client, rows[:3])  # sent twice
    bind(client, id_key("anonymous_id", "d1"), id_key("user_id", "u1"))
    yield clickhouse.url("reader")
    client.command("DROP DATABASE scenetrail")
    client.close()


@pytest.fixture(scope="module")
def asker(url):
    yield from asker_of(url)


def rows(asker, sql, **body):
    return asker("sql", RANGE | {"sql": sql} | body)["rows"]


def test_the_views(asker):
    assert rows(asker, "SELECT event, count() AS n FROM events GROUP BY event ORDER BY n DESC, event") == [
        {"event": "page_view", "n": 3},
        {"event": "app_launch", "n": 1},
        {"event": "order_pay", "n": 1},
    ]  # fmt: skip
    users = rows(asker, "SELECT user, events FROM users ORDER BY events")
    assert [(int(row["user"]), row["events"]) for row in users] == [
        (id_key("user_id", "u2"), 1),
        (id_key("user_id", "u1"), 4),
    ]
    [session, silent, _] = rows(asker, "SELECT * FROM sessions ORDER BY started_at")
    assert (session["events"], session["page_views"], session["scene"]) == (3, 2, "1007")
    assert (session["entry_page"], session["exit_page"]) == ("home", "goods")
    assert (silent["session_id"], silent["events"]) == ("", 1)
    joined = rows(
        asker,
        "SELECT scene_name FROM events AS e INNER JOIN scenes AS s ON e.platform = s.platform "
        "AND e.scene = s.scene WHERE e.event = 'app_launch'",
    )
    assert joined == [{"scene_name": "单人聊天会话中的小程序消息卡片"}]
    filtered = {"filter": {"field": "properties.city", "op": "eq", "values": ["北京"]}}
    sql = "SELECT sum(properties_number['amount']) AS amount FROM events"
    assert rows(asker, sql, **filtered) == [{"amount": 12.5}]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH visits AS (SELECT user, count() AS n FROM sessions GROUP BY user) SELECT max(n) AS x FROM visits",
        "SELECT toStartOfWeek(occurred_at, 1) AS x, uniqExact(user) AS y FROM events GROUP BY x WITH TOTALS",
        "SELECT user AS x, row_number() OVER (PARTITION BY user ORDER BY occurred_at) AS y FROM events",
        "SELECT 1 AS x UNION ALL SELECT 2 AS x",
        "SELECT splitByChar('\n', 'a\nb\\n''c') AS x, 'it\\'s' AS y, '\\t`\"' AS z",
        "SELECT properties_text['city'] AS x FROM events WHERE mapContains(properties_text, 'city') AND page = 'home\n'",
        "SELECT page AS x, count() AS y FROM events GROUP BY GROUPING SETS ((page), ()) HAVING y > 0 ORDER BY y DESC LIMIT 3",
        "SELECT arrayMap(a -> a + 1, [1, 2]) AS x, quantileIf(0.5)(seq, seq > 0) AS y FROM events",
        "SELECT x FROM (SELECT event AS x FROM events WHERE user IN (SELECT user FROM users)) WHERE x LIKE '%中%'",
        "SELECT CASE WHEN seq > 0 THEN '--;{}/*' ELSE 'format settings' END AS x FROM events LIMIT 1 BY seq",
        'SELECT event AS `中文`, page AS "页面" FROM events AS e ORDER BY ALL',
        "SELECT count(DISTINCT e.user) AS x FROM events AS e LEFT JOIN sessions AS s USING (user) WHERE e.seq IS NOT NULL",
        "SELECT * EXCEPT (page) FROM events WHERE occurred_at >= now() - INTERVAL 400 DAY AND toDate(seq) > DATE '2020-01-01'",
        "SELECT min(occurred_at)::Date AS x, windowFunnel(86400)(toDateTime(occurred_at), event = 'a') AS y FROM events",
    ],
)  # fmt: skip
def test_what_analysts_write_is_answered(asker, sql):
    assert isinstance(rows(asker, sql), list)


HOSTILE = [
    # other tables and databases
    "SELECT * FROM dead_letters",
    "SELECT * FROM scenetrail.events",
    "SELECT * FROM `scenetrail`.`events`",
    'SELECT * FROM "scenetrail"."events"',
    "SELECT * FROM identity_bindings",
    "SELECT * FROM identity_map",
    "SELECT * FROM system.one",
    "SELECT * FROM system.query_log",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM INFORMATION_SCHEMA.COLUMNS",
    "SELECT 1 UNION ALL SELECT count() FROM scenetrail.events",
    "SELECT 1 EXCEPT SELECT count() FROM migrations",
    "SELECT 1 INTERSECT SELECT count() FROM event_ids",
    "SELECT (SELECT count() FROM scenetrail.events)",
    "SELECT * FROM (SELECT * FROM (SELECT * FROM identity_conflicts))",
    "SELECT 1 WHERE 1 IN (SELECT 1 FROM dead_letters)",
    "SELECT 1 IN dead_letters",
    "SELECT 1 IN scenetrail.events",
    "SELECT 1 IN system.one",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM event_ids)",
    "SELECT e.page FROM events AS e INNER JOIN scenetrail.events AS o ON 1 = 1",
    "SELECT 1 FROM events, dead_letters",
    "SELECT scenetrail.events.page FROM events",
    "WITH x AS (SELECT * FROM dead_letters) SELECT * FROM x",
    # a view's name taken for the table below it
    "WITH events AS (SELECT * FROM events) SELECT * FROM events",
    "WITH a AS (SELECT 1), events AS MATERIALIZED (SELECT * FROM events) SELECT * FROM events",
    "WITH `events` AS (SELECT * FROM events) SELECT * FROM events",
    "WITH RECURSIVE scenes AS (SELECT 1 AS x UNION ALL SELECT x FROM scenes) SELECT * FROM scenes",
    "WITH dead_letters AS (SELECT 1) SELECT * FROM dead_letters",
    # table functions
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'x String')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1', 'system', 'one')",
    "SELECT * FROM cluster('scenetrail', 'scenetrail', 'events')",
    "SELECT * FROM merge('scenetrail', '.*')",
    "SELECT * FROM merge('.*')",
    "SELECT * FROM numbers(10)",
    "SELECT * FROM s3('http://127.0.0.1/x')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM executable('id', 'TSV', 'x String')",
    "SELECT * FROM view(SELECT * FROM dead_letters)",
    "SELECT * FROM dictionary('x')",
    "SELECT * FROM input('x String')",
    "SELECT * FROM loop(events)",
    "SELECT * FROM format('CSV', '1')",
    "SELECT * FROM (VALUES (1))",
    "SELECT * FROM mergeTreeIndex(currentDatabase(), 'events')",
    # functions that read, tell, wait or fail
    "SELECT file('/etc/passwd')",
    "SELECT joinGet('scenetrail.events', 'page', 1)",
    "SELECT JoinGetOrNull('scenetrail.events', 'page', 1)",
    "SELECT dictGet('scenetrail.d', 'a', 1)",
    "SELECT currentDatabase()",
    "SELECT CURRENT_DATABASE()",
    "SELECT currentUser(), hostName(), version()",
    "SELECT getSetting('additional_table_filters')",
    "SELECT getServerSetting('x')",
    "SELECT hasColumnInTable('scenetrail', 'dead_letters', 'x')",
    "SELECT sleep(3)",
    "SELECT sleepEachRow(3) FROM events",
    "SELECT throwIf(1)",
    "SELECT generateSerialID('x')",
    "SELECT initializeAggregation('sum', 1)",
    "SELECT AIGenerate('x')",
    "SELECT showCertificate()",
    "SELECT tcpPort(), uptime(), serverUUID()",
    "SELECT getClientHTTPHeader('Authorization')",
    "SELECT * APPLY (file) FROM events",
    "SELECT * APPLY (x -> file(x)) FROM events",
    "SELECT COLUMNS('page') APPLY (hostName) FROM events",
    "SELECT fileIf('/etc/passwd', 1)",
    # settings, formats, files, several statements, other statements
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT * FROM (SELECT * FROM events SETTINGS additional_table_filters = {})",
    "SELECT * FROM events SETTINGS additional_table_filters = ''",
    "SELECT 1 FORMAT Native",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE events",
    "DROP TABLE events",
    "INSERT INTO events SELECT * FROM events",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
    "SYSTEM SHUTDOWN",
    "SET readonly = 0",
    "DESCRIBE events",
    "CREATE TEMPORARY TABLE x AS SELECT 1",
    "FROM events SELECT 1",
    "(SELECT 1)",
    "graph = 1 SELECT 1",
    # out of the parentheses around it
    "SELECT 1) UNION ALL SELECT page FROM scenetrail.events --",
    "SELECT 1) FROM scenetrail.events WHERE (1",
    "SELECT 1) UNION ALL (SELECT page FROM scenetrail.events",
    "SELECT [1) UNION ALL (SELECT 2]",
    "SELECT 1)) SELECT * FROM ((SELECT 1",
    "SELECT 1 /*",
    "SELECT 1 -- comment",
    "SELECT 1 # comment",
    "SELECT /* x */ 1",
    "SELECT 1 //",
    "SELECT $$x$$",
    "SELECT {app_ids:Array(String)}",
    "SELECT {x:Identifier}",
    "SELECT * FROM {x:Identifier}",
    # quotes, unicode, line breaks
    "SELECT * FROM `events\nTableIdentifier x`",
    "SELECT * FROM `dead_letters\n`",
    'SELECT * FROM identity_map AS "a\u2028      Literal x"',
    'SELECT * FROM identity_map AS "a\u0085      Literal x"',
    "SELECT 1 IN (SELECT id_key FROM identity_map AS `a\u2029    Asterisk x`)",
    "SELECT * FROM `sys\\x74em`.`one`",
    "SELECT * FROM `events`.`dead_letters`",
    "SELECT\u00a01",
    "SELECT 1\u200b",
    "SELECT * FROM ｓystem.one",
    "SELECT 'unclosed",
    "SELECT `unclosed",
    "SELECT \\'1\\'",
    "SELECT 1\x00",
    "",
    " ",
    "\ufeffSELECT 1",
]


READ = "file('/etc/passwd')"
EVERYWHERE = [
    f"WITH {READ} AS x SELECT x",
    f"WITH x AS (SELECT {READ} AS y) SELECT * FROM x",
    f"SELECT * REPLACE ({READ} AS page) FROM events",
    f"SELECT COLUMNS('page') REPLACE ({READ} AS page) FROM events",
    f"SELECT DISTINCT ON ({READ}) page FROM events",
    f"SELECT quantile(length({READ}))(seq) FROM events",
    f"SELECT CAST({READ} AS String)",
    f"SELECT ({READ})::String",
    f"SELECT [{READ}][1], ({READ}, 1).1, map('a', {READ})",
    f"SELECT CASE WHEN {READ} = '' THEN 1 END",
    f"SELECT arrayMap(x -> {READ}, [1])",
    f"SELECT -length({READ}), INTERVAL length({READ}) DAY",
    f"SELECT {READ} BETWEEN 'a' AND 'b', {READ} LIKE 'x', {READ} IS NULL, 'x' IN ({READ})",
    f"SELECT 1 IN (SELECT {READ})",
    f"SELECT count() OVER (PARTITION BY {READ}) FROM events",
    f"SELECT count() OVER (ORDER BY {READ}) FROM events",
    f"SELECT count() OVER (ROWS BETWEEN length({READ}) PRECEDING AND CURRENT ROW) FROM events",
    f"SELECT count() OVER w FROM events WINDOW w AS (PARTITION BY {READ})",
    f"SELECT sum(seq) FILTER (WHERE {READ} = '') FROM events",
    f"SELECT 1 FROM events ARRAY JOIN [{READ}] AS x",
    f"SELECT 1 FROM events AS a INNER JOIN events AS b ON a.page = {READ}",
    f"SELECT 1 FROM events PREWHERE {READ} = ''",
    f"SELECT 1 FROM events WHERE {READ} = ''",
    f"SELECT count() FROM events GROUP BY {READ}",
    f"SELECT count() FROM events GROUP BY GROUPING SETS (({READ}))",
    f"SELECT count() FROM events GROUP BY ROLLUP ({READ})",
    f"SELECT count() FROM events HAVING {READ} = ''",
    f"SELECT 1 FROM events QUALIFY {READ} = ''",
    f"SELECT 1 FROM events ORDER BY {READ}",
    f"SELECT seq AS x FROM events ORDER BY x WITH FILL FROM 1 TO length({READ})",
    f"SELECT seq AS x, page AS y FROM events ORDER BY x WITH FILL INTERPOLATE (y AS {READ})",
    f"SELECT 1 FROM events LIMIT 1 BY {READ}",
    f"SELECT 1 FROM events LIMIT length({READ})",
    f"SELECT 1 FROM events LIMIT 1 OFFSET length({READ})",
    f"SELECT 1 FROM events SAMPLE 1 OFFSET length({READ})",
    "SELECT FILE('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT '/etc/passwd' |> file()",
]


def test_a_function_that_reads_is_seen_in_every_place_of_a_statement(asker):
    for sql in EVERYWHERE:
        with pytest.raises(QueryError) as refused:
            rows(asker, sql)
        error = refused.value
        assert (error.code, error.path) == ("invalid_request", "$.sql"), sql
        # By our own look at it: ClickHouse never began to run it.
        assert "while it ran" not in error.message, sql


def test_a_text_stays_as_it_was_written(asker):
    """A text that Python, and not ClickHouse, takes for several lines."""
    for text in ("a\u2028b", "a\u0085b", "a\x0bb", "a\x1cb", "a\rb", "a\r\nb", "a\n  b\n"):
        assert rows(asker, f"SELECT '{text}' AS x") == [{"x": text}], repr(text)


def test_every_hostile_statement_is_refused_by_the_field(asker):
    assert len(HOSTILE) == len(set(HOSTILE)) > 100
    answered, messages, refusals = [], [], set()
    for sql in HOSTILE:
        try:
            answered.append((sql, rows(asker, sql)))
        except QueryError as error:
            refusals.add((error.code, error.path))
            messages.append(error.message)
    assert answered == []
    assert refusals == {("invalid_request", "$.sql")}
    assert not any(OTHERS in message for message in messages)


def test_rows_of_other_apps_are_out_of_reach_even_for_guesses(asker):
    """An error, or none, must not tell whether another app's row has a value."""
    oracles = [
        f"SELECT count() AS n FROM events WHERE toInt64(if(page = '{OTHERS}', 'x', '1')) = 1",
        f"SELECT count() AS n FROM events WHERE intDiv(1, page != '{OTHERS}') = 1",
        f"SELECT count() AS n FROM (SELECT toInt64(if(page = '{OTHERS}', 'x', '1')) AS x FROM events) WHERE x = 1",
        f"SELECT sum(intDiv(1, page != '{OTHERS}')) AS n FROM events",
        f"SELECT count() AS n FROM events AS a INNER JOIN events AS b ON a.user = b.user WHERE intDiv(1, b.page != '{OTHERS}') = 1",
        f"SELECT count() AS n FROM events AS a LEFT JOIN (SELECT user, intDiv(1, page != '{OTHERS}') AS z FROM events) AS b USING (user)",
        f"SELECT uniqExact(user) + 3 AS n FROM users WHERE user IN (SELECT user FROM events WHERE intDiv(1, page != '{OTHERS}') = 1)",
    ]  # fmt: skip
    for sql in oracles:
        rows(asker, sql)  # no error
    sql = f"SELECT count() AS n FROM events WHERE page = '{OTHERS}' OR app_id != '{APP}'"
    assert rows(asker, sql) == [{"n": 0}]
    assert rows(asker, sql, app_ids=["wx0002"]) == [{"n": 1}]
    with pytest.raises(QueryError) as refused:
        rows(asker, "SELECT toInt64(page) AS x FROM events")
    assert "home" not in refused.value.message


def test_filters_on_the_tables_hold_where_the_guard_is_passed(asker, monkeypatch):
    monkeypatch.setattr("query_api.sql_guard.check_text", lambda *_: None)
    monkeypatch.setattr("query_api.sql_guard.check_tree", lambda *_: None)
    for sql in (
        f"SELECT count() AS n FROM scenetrail.events WHERE app_id != '{APP}'",
        "SELECT count() AS n FROM identity_bindings",
        "SELECT count() AS n FROM migrations",
        f"WITH events AS (SELECT * FROM events) SELECT count() AS n FROM events WHERE app_id != '{APP}'",
    ):
        assert rows(asker, sql) == [{"n": 0}], sql
    for sql in (
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'x String')",
        "SELECT * FROM remote('127.0.0.1', 'system', 'one')",
        "SELECT * FROM executable('id', 'TSV', 'x String')",
        "INSERT INTO scenetrail.migrations SELECT 'x', 'y', now64(3)",
    ):
        with pytest.raises(QueryError):
            rows(asker, sql)


def test_limits(asker):
    answer = asker.whole("sql", RANGE | {"sql": "SELECT event FROM events ORDER BY occurred_at DESC", "limit": 2})  # fmt: skip
    assert answer["result"]["rows"] == [{"event": "order_pay"}, {"event": "page_view"}]
    assert answer["meta"]["truncated"]
    assert answer["result"]["columns"] == [{"name": "event", "type": "LowCardinality(String)"}]
    for sql in (
        ENDLESS,
        "SELECT groupArray(repeat('x', 1000000)) AS x FROM (SELECT arrayJoin(range(10000)) AS a)",
    ):  # fmt: skip
        with pytest.raises(QueryError) as refused:
            rows(asker, sql, max_execution_time_s=1)
        assert refused.value.code == "query_limit"


def test_values_are_json(asker):
    [row] = rows(
        asker,
        "SELECT toUInt64(9007199254740993) AS a, toIPv4('1.2.3.4') AS b, map('k', [1]) AS c, (1, 'x') AS d, "
        "toDecimal64(1.5, 2) AS e, NULL AS f, nan AS g, toDateTime64('2026-10-01 00:00:00', 3, 'UTC') AS h, true AS i, "
        "toFixedString('ab', 2) AS j, MD5('') AS k, 1 / 0 AS l",
    )
    assert (row["a"], row["b"], row["c"], row["d"]) == ("9007199254740993", "1.2.3.4", {"k": [1]}, [1, "x"])  # fmt: skip
    assert (row["f"], row["g"], row["i"], row["l"]) == (None, None, True, None)
    assert (row["j"], row["k"]) == ("ab", "d41d8cd98f00b204e9800998ecf8427e")


def test_wrong_requests_name_the_field(asker):
    for change, path in (
        ({"sql": 1}, "$.sql"),
        ({"sql": "SELECT 1 AS x" + " " * 20_000}, "$.sql"),
        ({"sql": "SELECT nothing FROM events"}, "$.sql"),
        ({"sql": "SELECT 1 AS a, 2 AS a"}, "$.sql"),
        ({"sql": "SELECT FROM WHERE"}, "$.sql"),
        ({"sql": "SELECT uniqState(user) AS x FROM events"}, "$.sql"),
        ({"sql": "SELECT * FROM nowhere"}, "$.sql"),
        ({"limit": 0}, "$.limit"),
        ({"max_execution_time_s": 3600}, "$.max_execution_time_s"),
        ({"breakdown": ["page"]}, "$.breakdown"),
    ):
        assert asker.refused("sql", RANGE | {"sql": "SELECT 1 AS x"} | change) == ("invalid_request", path), change  # fmt: skip


@pytest.mark.parametrize(
    "name", ["file", "url", "joinGet", "dictGet", "mergeIf", "sleep", "fileArray", "stateIf", "if"]
)
def test_combinators_do_not_open_the_list(name):
    assert is_allowed(name) == (name == "if")
