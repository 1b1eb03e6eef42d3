// Reading a segment frame by frame, and the judgement on what a bad frame means. docs/formats/log.md, "Recovery".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/env.h"
#include "base/result.h"
#include "log/segment_format.h"

namespace millrace::log {

/// Reads the header and, of a compacted segment, the footer. Nothing when the header, or such a footer, is not good.
Result<std::optional<SegmentHeader>> read_segment_header(const RandomAccessFile& file, uint64_t file_bytes);

/// Extends `index` over all good frames from index.covered_bytes on: magic, header CRC, no gap in the offsets but those
/// that a compaction made, append times that do not fall, and the batch's own CRC and lengths. Returns why the walk
/// ended before `file_bytes` (of a compacted segment: before its footer), or nothing when every byte is good. An error
/// is one of reading.
Result<std::optional<std::string>> scan_frames(const RandomAccessFile& file, uint64_t file_bytes,
                                               const SegmentHeader& segment, SegmentIndex& index);

/// Looks at and behind `bad_place` for a good frame header which says that more than `bad_place` bytes had been durable
/// before it was written. Returns where it is: then what lies at `bad_place` had been acked.
Result<std::optional<uint64_t>> find_proof_of_sync(const RandomAccessFile& file, uint64_t file_bytes, uint32_t salt,
                                                   uint64_t bad_place);

}  // namespace millrace::log
