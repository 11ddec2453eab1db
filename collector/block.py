"""
A block: what one insert stores. Pure.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from collector.dead_letter import DeadLetter
from collector.enrich import CLOCK_VERDICTS
from collector.identity import Ids
from sdk_spec.persons import Binding


class Block(msgspec.Struct):
    """
    What one insert stores.

    ``table`` has the columns of ``events``; ``keys`` are its ``event_key`` values. ``ids``, ``occurred_at`` and
    ``received_at`` (epoch ms) are of the same events in the same order; ``happened_at`` is the latest moment at which
    they can have happened by this server's clock.
    """

    table: pa.Table
    keys: NDArray[np.uint64]
    ids: list[Ids]
    occurred_at: NDArray[np.int64]
    received_at: NDArray[np.int64]
    happened_at: NDArray[np.int64]
    dead_letters: list[DeadLetter]
    unknown_keys: int
    placeholders: int
    clock_counts: dict[str, int]

    def bindings(self, kept: NDArray[np.bool_] | None) -> list[Binding]:
        """
        Bindings of the events at ``kept`` (None for all), each pair with its earliest event as evidence.

        Where that was received after another event with both, the other stands before it: what was known at an instant
        can be asked later. Only events that are stored bind: a second copy sent under another envelope changes nothing.
        """
        earliest: dict[int, list[int]] = {}
        times: list[int] = self.occurred_at.tolist()
        stored = range(len(times)) if kept is None else np.flatnonzero(kept).tolist()
        for index in stored:  # in the order in which they were received
            key = id(self.ids[index])
            known = earliest.get(key)
            if known is None:
                earliest[key] = [index]
            elif times[index] < times[known[-1]] or (
                times[index] == times[known[-1]] and self._order(index) < self._order(known[-1])
            ):
                known.append(index)
        pairs: dict[tuple[int, int], list[Binding]] = {}
        for index in sorted(index for indexes in earliest.values() for index in indexes):
            occurred_at, seq, event_id = self._order(index)
            for binding in self.ids[index].bindings:
                found = msgspec.structs.replace(
                    binding,
                    occurred_at=occurred_at,
                    seq=seq,
                    event_id=event_id,
                    event_app_id=self.ids[index].app_id,
                    received_at=int(self.received_at[index]),
                )
                steps = pairs.setdefault((binding.id_key, binding.other_key), [])
                if steps and found.order >= steps[-1].order:
                    continue
                if steps and found.received_at == steps[-1].received_at:
                    steps.pop()
                steps.append(found)
        return [step for steps in pairs.values() for step in steps]

    def _order(self, index: int) -> tuple[int, int, str]:
        seq, event_id = (self.table[name][index].as_py() for name in ("seq", "event_id"))
        return int(self.occurred_at[index]), seq, event_id


def joined(pieces: list[Block]) -> Block:
    """The pieces as one block, each column in one run of memory."""
    return Block(
        table=pa.concat_tables([piece.table for piece in pieces])
        .unify_dictionaries()
        .combine_chunks(),
        keys=np.concatenate([piece.keys for piece in pieces]),
        ids=[ids for piece in pieces for ids in piece.ids],
        occurred_at=np.concatenate([piece.occurred_at for piece in pieces]),
        received_at=np.concatenate([piece.received_at for piece in pieces]),
        happened_at=np.concatenate([piece.happened_at for piece in pieces]),
        dead_letters=[letter for piece in pieces for letter in piece.dead_letters],
        unknown_keys=sum(piece.unknown_keys for piece in pieces),
        placeholders=sum(piece.placeholders for piece in pieces),
        clock_counts={
            verdict: sum(piece.clock_counts[verdict] for piece in pieces)
            for verdict in CLOCK_VERDICTS
        },
    )
