"""The switch between the hosts of hosts_help.py: a program that delays frames and loses some.

    host 0  cable ──── port0 ┐
    host 1  cable ──── port1 ├ frame ── lost? ── delay ── cut off? ── to the port that last sent from its destination
    host 2  cable ──── port2 ┘                                        address or, if unknown, to all other ports

    python hosts_switch.py PORTS DELAY LOSS SEED      DELAY: seconds; LOSS: a share

Each line on standard input lists the hosts that are cut off from then on. The program ends at the end of its input.
Frames leave in the order of arrival, each DELAY later. Losses are drawn from one random stream with SEED, one draw per
frame. A host computes no checksums on a veth device, so frames read here lack them. PACKET_VNET_HDR prefixes
each frame with a header that lists the missing checksums. The kernel computes them when the switch sends the frame.
"""

import asyncio
import contextlib
import os
import random
import socket
import sys

ETH_P_ALL, SOL_PACKET, PACKET_VNET_HDR = 3, 263, 15  # <linux/if_ether.h>, <linux/socket.h>, <linux/if_packet.h>
HEADER, ADDRESS = 10, 6
"""Sizes in bytes: struct virtio_net_hdr, and an Ethernet address."""
LARGEST = 1 << 17


def opened(device: str) -> socket.socket:
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    port.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    port.bind((device, 0))
    port.setblocking(False)
    return port


class Switch:
    def __init__(self, ports: int, delay: float, loss: float, seed: int) -> None:
        self._ports = [opened(f"port{number}") for number in range(ports)]
        self._delay, self._loss, self._random = delay, loss, random.Random(seed)
        self._heard: dict[bytes, int] = {}  # the port from which each address was last heard
        self._cut: set[int] = set()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Forward frames until standard input ends."""
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), self._listen)
        for number, port in enumerate(self._ports):
            loop.add_reader(port, self._take, number)
        print("ready", flush=True)
        await self._ended.wait()

    def _listen(self) -> None:
        lines = os.read(sys.stdin.fileno(), LARGEST).decode().splitlines()
        if lines:
            self._cut = set(map(int, lines[-1].split()))
        else:
            self._ended.set()

    def _take(self, number: int) -> None:
        frame, (_, _, kind, *_) = self._ports[number].recvfrom(LARGEST)
        if kind == socket.PACKET_OUTGOING or self._random.random() < self._loss:
            return
        self._heard[frame[HEADER + ADDRESS : HEADER + 2 * ADDRESS]] = number
        asyncio.get_running_loop().call_later(self._delay, self._give, frame, number)

    def _give(self, frame: bytes, source: int) -> None:
        sink = self._heard.get(frame[HEADER : HEADER + ADDRESS])
        for number, port in enumerate(self._ports):
            if number != source and sink in (number, None) and not self._cut & {number, source}:
                with contextlib.suppress(OSError):  # a full queue loses frames, as in real switches
                    port.send(frame)


async def main() -> None:
    ports, delay, loss, seed = sys.argv[1:]
    await Switch(int(ports), float(delay), float(loss), int(seed)).run()


if __name__ == "__main__":
    asyncio.run(main())
