#include "log/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/file_steps.h"
#include "base/paths.h"
#include "log/partition_begin.h"
#include "log/producer_window.h"
#include "log/segment_scan.h"

namespace millrace::log {

namespace {

Error damaged(const std::string& path, uint64_t byte, Offset offset, std::string_view what) {
  return external_error(sqlstate::kDataCorrupted,
                        fmt::format("log is damaged: {}: file {}, byte {}, offset {}", what, path, byte, offset.value))
      .with_hint(
          "Nothing was changed. Restore this file from a copy. `millrace verify --data DIR` names all that is damaged "
          "and offers what can be repaired.");
}

struct OpenedSegment {
  std::string path;
  std::unique_ptr<RandomAccessFile> file;
  uint64_t bytes = 0;
  std::optional<SegmentHeader> header;
};

class Recovery {
 public:
  Recovery(Env& env, const std::string& directory, StreamId stream, PartitionId partition, const StreamOptions& options)
      : env_(env),
        directory_(directory),
        stream_(stream),
        partition_(partition),
        marks_max_(options.idempotency_window),
        has_retention_(options.has_retention()) {}

  Result<RecoveredPartition> run();

 private:
  Status list_segments();
  Status check_begin() const;
  Result<OpenedSegment> open_segment(Offset base_offset) const;
  Status drop_interrupted_creation();
  Status recover_sealed(size_t index_of_base);
  Status drop_replaced(size_t compacted, Offset end);
  Status recover_last(Offset base_offset);
  Result<SegmentIndex> load_index(const OpenedSegment& segment) const;
  Status cut_tail(const OpenedSegment& segment, const SegmentIndex& index, const std::string& why);
  void keep(const OpenedSegment& segment, SegmentIndex index, bool sealed);
  void trim_marks(size_t above);

  Env& env_;
  const std::string& directory_;
  const StreamId stream_;
  const PartitionId partition_;
  const size_t marks_max_;
  const bool has_retention_;
  std::vector<Offset> bases_;
  RecoveredPartition result_;
};

Result<RecoveredPartition> Recovery::run() {
  MR_TRY(list_segments());
  MR_TRY(check_begin());
  MR_TRY(drop_interrupted_creation());
  for (size_t i = 0; i + 1 < bases_.size(); ++i) MR_TRY(recover_sealed(i));
  MR_TRY(recover_last(bases_.back()));
  trim_marks(marks_max_);
  return std::move(result_);
}

void Recovery::trim_marks(size_t above) {
  auto& marks = result_.marks;
  if (marks.size() > above) marks.erase(marks.begin(), marks.end() - static_cast<std::ptrdiff_t>(marks_max_));
}

Status Recovery::list_segments() {
  MR_ASSIGN(std::vector<FileInfo> files, env_.files().list(directory_));
  for (const FileInfo& file : files) {
    if (std::optional<Offset> base = parse_segment_file_name(file.name)) bases_.push_back(*base);
    // Of a compaction that did not end.
    if (is_unfinished_file_name(file.name)) MR_TRY(remove_if_there(env_.files(), join_path(directory_, file.name)));
  }
  std::sort(bases_.begin(), bases_.end());
  if (!bases_.empty()) return {};
  return damaged(directory_, 0, Offset{0}, "the partition has no segment");
}

Status Recovery::check_begin() const {
  const Offset first = bases_.front();
  if (first.value == 0) return {};
  MR_ASSIGN(const std::optional<Offset> begin, read_begin(env_.files(), directory_));
  const bool may_lack_begin = has_retention_ && !begin;  // retention of an older release left no word
  if (may_lack_begin || first <= begin.value_or(Offset{0})) return {};
  return damaged(join_path(directory_, segment_file_name(begin.value_or(Offset{0}))), 0, begin.value_or(Offset{0}),
                 fmt::format("missing: the offsets before {}", first.value));
}

Result<OpenedSegment> Recovery::open_segment(Offset base_offset) const {
  OpenedSegment segment{
      .path = join_path(directory_, segment_file_name(base_offset)), .file = {}, .bytes = 0, .header = {}};
  MR_ASSIGN(segment.file, env_.files().open_read(segment.path));
  MR_ASSIGN(segment.bytes, segment.file->size());
  MR_ASSIGN(segment.header, read_segment_header(*segment.file, segment.bytes));
  const auto& header = segment.header;
  if (header && (header->base_offset != base_offset || header->stream != stream_ || header->partition != partition_)) {
    return damaged(segment.path, 0, base_offset, "the segment belongs to another place");
  }
  return segment;
}

Status Recovery::drop_interrupted_creation() {
  if (bases_.size() < 2) return {};
  MR_ASSIGN(OpenedSegment last, open_segment(bases_.back()));
  if (last.header || last.bytes > kSegmentHeaderBytes) return {};
  MR_TRY(env_.files().remove(last.path));
  MR_TRY(env_.files().sync_directory(directory_));
  bases_.pop_back();
  return {};
}

Result<SegmentIndex> Recovery::load_index(const OpenedSegment& segment) const {
  SegmentIndex none;
  none.end_offset = segment.header->base_offset;
  std::string path = join_path(directory_, index_file_name(segment.header->base_offset));
  MR_ASSIGN(bool exists, env_.files().exists(path));
  if (!exists) return none;
  MR_ASSIGN(std::string bytes, env_.files().read_all(path));
  std::optional<SegmentIndex> index = decode_segment_index(bytes, segment.header->salt);
  if (!index) return none;
  if (index->covered_bytes > segment.bytes) {
    return damaged(segment.path, segment.bytes, index->end_offset,
                   fmt::format("the segment is shorter than the {} bytes that were acked", index->covered_bytes));
  }
  return *std::move(index);
}

void Recovery::keep(const OpenedSegment& segment, SegmentIndex index, bool sealed) {
  result_.marks.insert(result_.marks.end(), index.marks.begin(), index.marks.end());
  trim_marks(4 * marks_max_);
  result_.producers.insert(result_.producers.end(), index.producers.begin(), index.producers.end());
  keep_last_of_each(result_.producers);
  result_.segments.push_back(std::make_shared<Segment>(directory_, *segment.header, std::move(index)));
  if (sealed) result_.segments.back()->forget_marks();
}

Status Recovery::recover_sealed(size_t index_of_base) {
  const Offset base_offset = bases_[index_of_base];
  MR_ASSIGN(OpenedSegment segment, open_segment(base_offset));
  if (!segment.header) return damaged(segment.path, 0, base_offset, "the segment header is not good");
  MR_ASSIGN(SegmentIndex index, load_index(segment));
  MR_ASSIGN(std::optional<std::string> why, scan_frames(*segment.file, segment.bytes, *segment.header, index));
  if (why) return damaged(segment.path, index.covered_bytes, index.end_offset, *why);
  if (segment.header->compacted) MR_TRY(drop_replaced(index_of_base, index.end_offset));
  if (index_of_base + 1 == bases_.size()) {
    return damaged(directory_, 0, index.end_offset, "the segment behind a compacted one is missing");
  }
  const Offset next_base = bases_[index_of_base + 1];
  if (index.end_offset != next_base) {
    return damaged(segment.path, segment.bytes, index.end_offset,
                   fmt::format("a hole before offset {}", next_base.value));
  }
  keep(segment, std::move(index), true);
  return {};
}

/// A crash left some of the segments that this one, which is whole, was made of.
Status Recovery::drop_replaced(size_t compacted, Offset end) {
  bool dropped = false;
  while (compacted + 1 < bases_.size() && bases_[compacted + 1] < end) {
    const Offset replaced = bases_[compacted + 1];
    MR_TRY(remove_if_there(env_.files(), join_path(directory_, segment_file_name(replaced))));
    MR_TRY(remove_if_there(env_.files(), join_path(directory_, index_file_name(replaced))));
    bases_.erase(bases_.begin() + static_cast<std::ptrdiff_t>(compacted) + 1);
    dropped = true;
  }
  return dropped ? env_.files().sync_directory(directory_) : Status();
}

Status Recovery::recover_last(Offset base_offset) {
  MR_ASSIGN(OpenedSegment segment, open_segment(base_offset));
  if (!segment.header) return damaged(segment.path, 0, base_offset, "the segment header is not good");
  if (segment.header->compacted) {
    return damaged(directory_, 0, base_offset, "the segment behind a compacted one is missing");
  }
  MR_ASSIGN(SegmentIndex index, load_index(segment));
  MR_ASSIGN(std::optional<std::string> why, scan_frames(*segment.file, segment.bytes, *segment.header, index));
  if (why) MR_TRY(cut_tail(segment, index, *why));
  keep(segment, std::move(index), false);
  return {};
}

Status Recovery::cut_tail(const OpenedSegment& segment, const SegmentIndex& index, const std::string& why) {
  MR_ASSIGN(std::optional<uint64_t> proof,
            find_proof_of_sync(*segment.file, segment.bytes, segment.header->salt, index.covered_bytes));
  if (proof) {
    return damaged(segment.path, index.covered_bytes, index.end_offset,
                   fmt::format("{}, in front of acked data at byte {}", why, *proof));
  }
  MR_ASSIGN(std::unique_ptr<WritableFile> file, env_.files().open_append(segment.path));
  MR_TRY(file->truncate(index.covered_bytes));
  MR_TRY(file->sync());
  result_.torn_bytes = segment.bytes - index.covered_bytes;
  return file->close();
}

}  // namespace

Result<RecoveredPartition> recover_partition(Env& env, const std::string& directory, StreamId stream,
                                             PartitionId partition, const StreamOptions& options) {
  return Recovery(env, directory, stream, partition, options).run();
}

}  // namespace millrace::log
