#!/usr/bin/env python3
"""Prints the batches of record_batch_vectors.h, built from the text of Kafka's message format alone.

Shares no code with src/log/: the CRC-32C is computed bit by bit, the varints digit by digit. Run it again after a change:
    python3 test/log/kafka_vectors.py > test/log/record_batch_vectors.h
"""
import struct


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = value * 2 if value >= 0 else -value * 2 - 1
    out = b""
    while value > 127:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def sized(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record(offset_delta, timestamp_delta, key, value, headers):
    body = b"\0" + varint(timestamp_delta) + varint(offset_delta) + sized(key) + sized(value) + varint(len(headers))
    for name, content in headers:
        body += sized(name) + sized(content)
    return varint(len(body)) + body


def batch(records):
    """records: (timestamp_ms, key, value, headers)"""
    first = records[0][0]
    body = b"".join(record(i, t - first, k, v, h) for i, (t, k, v, h) in enumerate(records))
    checked = struct.pack(">hiqqqhii", 0, len(records) - 1, first, max(r[0] for r in records), -1, -1, -1, len(records)) + body
    return struct.pack(">qiibI", 0, len(checked) + 9, 0, 2, crc32c(checked)) + checked


VECTORS = {
    "kOneRecord": [(1503229838908, None, b"123", [])],
    "kThreeRecords": [
        (1700000000000, b"k1", b"hello", []),
        (1699999999000, None, b"", [(b"trace", b"\x00\xff"), (b"empty", None)]),
        (1700000100000, b"", None, []),
    ],
    "kLongValues": [(0, b"k" * 70, b"v" * 9000, []), (2**40, None, b"w" * 64, [(b"", b"h" * 130)])],
}


def main():
    print("// Made by kafka_vectors.py; not edited by hand.")
    for line in ["#pragma once", "", "#include <cstddef>", "#include <cstdint>", "#include <string_view>", "", "namespace millrace::log {", ""]:
        print(line)
    for name, records in VECTORS.items():
        data = batch(records)
        if len(data) > 1000:
            print(f"inline constexpr size_t {name}Bytes = {len(data)};")
            print(f"inline constexpr uint32_t {name}Crc = {struct.unpack('>I', data[17:21])[0]:#010x};")
            print(f"inline constexpr uint32_t {name}WholeCrc = {crc32c(data):#010x};\n")
            continue
        print(f"inline constexpr std::string_view {name}Hex =")
        text = data.hex()
        lines = [text[i : i + 100] for i in range(0, len(text), 100)]
        print("\n".join(f'    "{line}"' for line in lines) + ";\n")
    print("}  // namespace millrace::log")


if __name__ == "__main__":
    main()
