"""Records every packet on every interface of this network until it is told to stop, and reports what was sent where.

Prints "ready" once it records. At the end of its input it prints one JSON object: `dropped`, how many packets the kernel
lost; `contacted`, the address, port and protocol of everything that anybody began to talk to; and `sent`, by TCP port of
the server, all that clients sent there as text, connection after connection.
"""

import json
import select
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_RCVBUFFORCE = 33

capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
capture.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
print("ready", flush=True)

contacted = set()
# By connection: the first sequence number of the client, and its bytes by their place.
flows = {}
# The server's port and the bytes of every connection.
streams = []


def tcp(source, target, segment):
    sport, dport, sequence = struct.unpack("!HHI", segment[:8])
    data = segment[(segment[12] >> 4) * 4 :]
    syn, ack = segment[13] & 2, segment[13] & 16
    flow = (source, sport, target, dport)
    if syn and not ack:
        contacted.add((target, dport, "tcp"))
        # The loopback shows every packet twice, and a client's port may be used again.
        if flow not in flows or flows[flow][0] != sequence + 1:
            flows[flow] = (sequence + 1, {})
            streams.append((dport, flows[flow][1]))
    elif flow in flows and data:
        first, pieces = flows[flow]
        pieces[(sequence - first) % (1 << 32)] = data


def packet(frame):
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == 0x0800:
        header = (frame[14] & 15) * 4
        length = struct.unpack("!H", frame[16:18])[0]
        protocol = frame[23]
        source, target = (socket.inet_ntoa(frame[at : at + 4]) for at in (26, 30))
        payload = frame[14 + header : 14 + length]
    elif kind == 0x86DD:
        protocol = frame[20]
        source, target = (socket.inet_ntop(socket.AF_INET6, frame[at : at + 16]) for at in (22, 38))
        payload = frame[54 : 54 + struct.unpack("!H", frame[18:20])[0]]
    else:
        contacted.add((f"ethernet type {kind:04x}", 0, "other"))
        return
    if protocol == 6:
        tcp(source, target, payload)
    elif protocol == 17:
        contacted.add((target, struct.unpack("!H", payload[2:4])[0], "udp"))
    else:
        contacted.add((target, 0, f"protocol {protocol}"))


def drain():
    while select.select([capture], [], [], 0)[0]:
        packet(capture.recv(1 << 17))


while True:
    ready, _, _ = select.select([capture, sys.stdin], [], [])
    drain()
    if sys.stdin in ready and not sys.stdin.readline():
        break

sent = {}
for port, pieces in streams:
    at, stream = 0, b""
    for place in sorted(pieces):
        data = pieces[place]
        stream += b"" if place + len(data) <= at else data[max(0, at - place) :]
        at = max(at, place + len(data))
    sent[port] = sent.get(port, b"") + stream + b"\n"
_, dropped = struct.unpack("II", capture.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
report = {
    "dropped": dropped,
    "contacted": sorted(contacted),
    "sent": {port: stream.decode("utf-8", "replace") for port, stream in sent.items()},
}
print(json.dumps(report), flush=True)
