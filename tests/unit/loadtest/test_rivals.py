"""What is sent to the servers beside ours: the same events in their own form."""

import msgspec

from loadtest.generate import FlatWorkload
from loadtest.rivals import LinesWorkload, PointsWorkload

MADE = {"seed": 1, "run": "run00001", "app_id": "wx1", "batch": 20}
NOW_MS = 1_790_000_000_123


def test_every_server_gets_the_same_events():
    envelope = msgspec.json.decode(FlatWorkload(**MADE).body(7, NOW_MS))
    lines = LinesWorkload(**MADE).body(7, NOW_MS).splitlines()
    points = PointsWorkload(**MADE).body(7, NOW_MS).decode().splitlines()

    assert len(lines) == len(points) == len(envelope["events"]) == 20
    for event, line, point in zip(envelope["events"], lines, points, strict=True):
        one = msgspec.json.decode(line)
        assert {**one, **event} == one
        assert one["openid"] == envelope["openid"]
        head, _, at_ms = point.rpartition(" ")
        tags, _, fields = head.partition(" ")
        assert tags == f"events,event={event['event']},scene={event['scene']},page={event['page']}"
        assert int(at_ms) == event["occurred_at"]
        assert f'event_id="{event["event_id"]}"' in fields
        assert f'openid="{envelope["openid"]}"' in fields
        assert f"price={event['properties']['price']}" in fields
        assert f"vip={str(event['properties']['vip']).lower()}" in fields
