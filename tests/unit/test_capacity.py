"""What a number of images costs."""

from __future__ import annotations

import pytest

from deploy.capacity import needs, traffic_bytes


def test_cores_follow_from_rate_and_time_and_one_replica_may_be_gone() -> None:
    found = needs(rate=100.0, cpu_ms=20.0, memory_mb=500.0, busy=0.5)
    assert found.busy_cores == pytest.approx(2.0)
    assert found.replicas == 5
    assert found.memory_gb == pytest.approx(2.5)


def test_traffic_of_each_hop() -> None:
    hops = traffic_bytes(side=96, bpp=0.25, file_bytes=15_000.0)
    assert hops["transmitter to channel"] == 96 * 96 / 4 / 8
    # 0.125 channel uses a pixel, of two float32 each.
    assert hops["channel to receiver"] == 96 * 96 * 0.125 * 8
