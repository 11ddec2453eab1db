"""
What ``scenetrail doctor`` looks at when there are several ClickHouse servers: each by itself, and that they are one cluster.

Pure but for the clients that are passed in. Called by ``doctor``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collector import nodes as node_states
from collector.findings import Finding
from collector.nodes import ClusterError


def of_all_nodes(found: Sequence[tuple[str, Sequence[Finding]]]) -> list[Finding]:
    """
    Put the findings of several nodes together, by check: one line for those that are well, one for each that is not.

    ``found``: the address of each node, without password, and its findings.
    """
    if len(found) == 1:
        return list(found[0][1])
    checks = list(dict.fromkeys(one.check for _, findings in found for one in findings))
    together = []
    for check in checks:
        of_check = [
            (node, one) for node, findings in found for one in findings if one.check == check
        ]
        well = [one.found for _, one in of_check if one.level == "ok"]
        if well:
            texts = "; ".join(dict.fromkeys(well))
            together.append(Finding(check, "ok", f"{len(well)} of {len(found)} nodes: {texts}"))
        together += [
            Finding(check, one.level, f"{node}: {one.found}", one.advice, one.advice_zh)
            for node, one in of_check
            if one.level != "ok"
        ]
    return together


def check_cluster(nodes: Sequence[Any], names: Sequence[str]) -> list[Finding]:
    """
    Tell whether the nodes are the cluster that the tables are spread over, and reach each other.

    Args:
        nodes: clients of the database on the nodes that answer.
        names: their addresses, without passwords.

    Returns: nothing for one server that stands alone. Errors: ClickHouse's own.
    """
    name = node_states.recorded_cluster(list(nodes))
    if not name:
        return [_not_spread()] if len(nodes) > 1 else []
    try:
        cluster, _ = node_states.look_at(list(nodes), name)
    except ClusterError as error:
        return [
            Finding(
                "cluster",
                "problem",
                str(error),
                "see collector/DESIGN-cluster.md, Migrations",
                "参见 collector/DESIGN-cluster.md",
            )
        ]
    for node, address in zip(nodes, names, strict=True):
        layouts = node.query("SELECT max(shards) FROM shard_layouts FINAL").result_rows
        if int(layouts[0][0]) != cluster.shards:
            return [_not_grown(address, int(layouts[0][0]), cluster.shards)]
        reached = _reached(node)
        if reached < cluster.shards:
            return [_cut_off(address, reached, cluster.shards)]
    return [Finding("cluster", "ok", f"{name}: {cluster.shards} shards, each reaches the others")]


def _reached(node: Any) -> int:  # noqa: ANN401 (clickhouse_connect's client)
    """How many shards a node reads."""
    rows = node.query(
        "SELECT uniqExact(_shard_num) FROM cluster_shards", settings={"skip_unavailable_shards": 1}
    ).result_rows
    return int(rows[0][0])


def _not_spread() -> Finding:
    return Finding(
        "cluster",
        "problem",
        "several addresses, and tables of no cluster",
        "run `scenetrail migrate --cluster NAME` with all addresses, or give one",
        "请执行 scenetrail migrate --cluster，或只给出一个地址",
    )


def _not_grown(address: str, before: int, now: int) -> Finding:
    return Finding(
        "cluster",
        "problem",
        f"{address}: rows are spread over {before} shards, remote_servers has {now}",
        "run `scenetrail migrate`, then restart collectors and query APIs",
        "请执行 scenetrail migrate，然后重启采集端与查询服务",
    )


def _cut_off(address: str, reached: int, shards: int) -> Finding:
    return Finding(
        "cluster",
        "problem",
        f"{address} reads {reached} of {shards} shards",
        "start the others, and check the network, port and <secret> of remote_servers between them",
        "请启动其他节点，并检查节点间的网络、端口与 remote_servers 中的 secret",
    )
