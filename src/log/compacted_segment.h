// Writing a compacted segment, under a name that recovery removes. docs/formats/log.md, "A compacted segment".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "log/segment_format.h"

namespace millrace::log {

class CompactedSegmentWriter {
 public:
  /// `header` must be that of a compacted segment.
  static Result<std::unique_ptr<CompactedSegmentWriter>> create(Env& env, const std::string& directory,
                                                                const SegmentHeader& header);
  /// Removes a file that `keep` was not called for.
  ~CompactedSegmentWriter();
  CompactedSegmentWriter(const CompactedSegmentWriter&) = delete;
  CompactedSegmentWriter& operator=(const CompactedSegmentWriter&) = delete;

  /// Of `frame`: base offset, append time, idempotency hash and offset count. Offsets must grow.
  Status add(FrameHeader frame, std::string_view batch);
  /// Closes the file with its footer; it is durable, its name is not.
  Status finish(Offset end_offset, Offset clean_end);
  /// It has its own name now.
  void keep() { path_.clear(); }

  const std::string& path() const { return path_; }
  const SegmentHeader& header() const { return header_; }
  const SegmentIndex& index() const { return index_; }

 private:
  CompactedSegmentWriter(Env& env, std::string path, const SegmentHeader& header, std::unique_ptr<WritableFile> file);

  Env& env_;
  std::string path_;
  SegmentHeader header_;
  SegmentIndex index_;
  std::unique_ptr<WritableFile> file_;
  std::string gathered_;  // not yet given to the file
};

}  // namespace millrace::log
