// Made by kafka_vectors.py; not edited by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::log {

inline constexpr std::string_view kOneRecordHex =
    "00000000000000000000003b00000000020318a2700000000000000000015dff7b063c0000015dff7b063cffffffffffffff"
    "ffffffffffffff0000000112000000010631323300";

inline constexpr std::string_view kThreeRecordsHex =
    "00000000000000000000006000000000025226953b0000000000020000018bcfe568000000018bcfe6eea0ffffffffffffff"
    "ffffffffffffff000000031a000000046b310a68656c6c6f002e00cf0f020100040a74726163650400ff0a656d7074790110"
    "00c09a0c04000100";

inline constexpr size_t kLongValuesBytes = 9354;
inline constexpr uint32_t kLongValuesCrc = 0x6f18dd28;
inline constexpr uint32_t kLongValuesWholeCrc = 0x5d06dfcb;

}  // namespace millrace::log
