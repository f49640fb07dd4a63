"""A slow link is late and stays in order: no network gives bytes to a program in another order."""

from __future__ import annotations

import asyncio
import time

from local.ports import free_port
from torture.proxies import Proxies


def test_passes_nothing_before_what_came_earlier() -> None:
    async def talk() -> tuple[bytes, float]:
        received, ended = bytearray(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while piece := await reader.read(100):
                received.extend(piece)
            ended.set()
            writer.close()

        proxies, listen, port = Proxies(), free_port(), free_port()
        server = await asyncio.start_server(serve, "127.0.0.1", port)
        await proxies.open("redis", listen, port)
        _, writer = await asyncio.open_connection("127.0.0.1", listen)
        began_s = time.monotonic()
        proxies.obey({"link": "redis", "mode": "slow", "of": ["site"], "delay_s": 0.4})
        writer.write(b"first ")
        await asyncio.sleep(0.2)
        assert not received
        proxies.obey({"link": "redis", "mode": "slow", "of": ["site"], "delay_s": 0.1})
        writer.write(b"second ")
        writer.close()
        await asyncio.wait_for(ended.wait(), 10)
        server.close()
        return bytes(received), time.monotonic() - began_s

    received, took_s = asyncio.run(talk())

    assert received == b"first second "
    assert took_s >= 0.4


def test_passes_on_at_once_and_in_order_when_it_is_healed() -> None:
    async def talk() -> tuple[bytes, float]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while piece := await reader.read(100):
                writer.write(piece)
            writer.close()

        proxies, listen, port = Proxies(), free_port(), free_port()
        server = await asyncio.start_server(serve, "127.0.0.1", port)
        await proxies.open("redis", listen, port)
        reader, writer = await asyncio.open_connection("127.0.0.1", listen)
        proxies.obey({"link": "redis", "mode": "slow", "of": ["site"], "delay_s": 30.0})
        writer.write(b"first ")
        await asyncio.sleep(0.2)
        began_s = time.monotonic()
        proxies.obey({"link": "redis", "mode": "pass", "of": ["site"]})
        writer.write(b"second")
        answer = await reader.readexactly(len(b"first second"))
        writer.close()
        server.close()
        return answer, time.monotonic() - began_s

    answer, took_s = asyncio.run(talk())

    assert answer == b"first second"
    assert took_s < 5
