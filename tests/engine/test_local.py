from __future__ import annotations

from threadpoolctl import threadpool_info

from sonic_stream.engine.local import LocalEngine


def test_an_engine_has_no_second_thread_for_matrices() -> None:
    LocalEngine.load()
    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert found and all(pool["num_threads"] == 1 for pool in found)
