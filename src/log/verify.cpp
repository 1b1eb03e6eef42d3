#include "log/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/paths.h"
#include "log/partition_begin.h"
#include "log/segment_scan.h"
#include "log/stream_file.h"

namespace millrace::log {

namespace {

/// A crash during a compaction leaves segments that the new one stands for; the next start removes them.
void skip_replaced(std::vector<Offset>& bases, size_t compacted, Offset end) {
  while (compacted + 1 < bases.size() && bases[compacted + 1] < end) {
    bases.erase(bases.begin() + static_cast<std::ptrdiff_t>(compacted) + 1);
  }
}

class Verifier {
 public:
  Verifier(Env& env, VerifiedLog& out) : files_(env.files()), out_(out) {}

  Status stream(const std::string& directory, StreamId id);

 private:
  struct Scanned {
    SegmentIndex index;
    bool good = false;  ///< to its last byte
    bool compacted = false;
  };

  Status partition(const std::string& directory, StreamId stream, PartitionId id, const StreamOptions& options);
  Status begin(const std::string& directory, Offset first, const StreamOptions& options);
  Result<Scanned> segment(const std::string& directory, const SegmentHeader& wanted, bool last);
  Status tail(const std::string& path, const RandomAccessFile& file, uint64_t bytes, uint32_t salt,
              const SegmentIndex& index, const std::string& why, bool may_be_torn);
  /// Returns how many bytes the index says were durable.
  Result<uint64_t> index_file(const std::string& directory, const SegmentHeader& header, uint64_t segment_bytes,
                              const SegmentIndex& scanned);
  void damage(std::string path, uint64_t first, uint64_t end, std::string what, Repair repair = Repair::kNone) {
    out_.damages.push_back({std::move(path), first, end, std::move(what), repair});
  }

  FileSystem& files_;
  VerifiedLog& out_;
};

Status Verifier::stream(const std::string& directory, StreamId id) {
  const std::string path = join_path(directory, "stream");
  MR_ASSIGN(const bool exists, files_.exists(path));
  if (!exists) return {};  // half-made or half-dropped, unless the catalog names it: the caller compares
  MR_ASSIGN(const std::string text, files_.read_all(path));
  const Result<StreamDescription> description = decode_stream_file(text);
  if (!description.ok() || description->id != id) {
    damage(path, 0, text.size(), description.ok() ? "it belongs to another stream" : description.error().message);
    return {};
  }
  for (int32_t p = 0; p < description->options.partitions; ++p) {
    MR_TRY(partition(join_path(directory, std::to_string(p)), id, PartitionId{p}, description->options));
  }
  return {};
}

Status Verifier::partition(const std::string& directory, StreamId stream, PartitionId id,
                           const StreamOptions& options) {
  MR_ASSIGN(const bool exists, files_.exists(directory));
  std::vector<Offset> bases;
  if (exists) {
    MR_ASSIGN(const std::vector<FileInfo> found, files_.list(directory));
    for (const FileInfo& file : found) {
      if (const std::optional<Offset> base = parse_segment_file_name(file.name)) bases.push_back(*base);
    }
  }
  std::sort(bases.begin(), bases.end());
  if (bases.empty()) {
    damage(directory, 0, 0, "the partition has no segment");
    return {};
  }
  VerifiedPartition& seen = out_.partitions[{stream, id}];
  seen.directory = directory;
  seen.begin = bases.front();
  seen.end = bases.front();
  MR_TRY(begin(directory, seen.begin, options));
  bool in_a_row = true;
  for (size_t i = 0; i < bases.size(); ++i) {
    const bool last = i + 1 == bases.size();
    MR_ASSIGN(const Scanned scanned, segment(directory, {stream, id, bases[i], 0}, last));
    if (in_a_row) seen.end = scanned.index.end_offset;
    in_a_row = in_a_row && scanned.good;
    if (scanned.compacted) seen.compacted_end = scanned.index.end_offset;
    if (scanned.compacted && scanned.good) skip_replaced(bases, i, scanned.index.end_offset);
    if (scanned.compacted && i + 1 == bases.size()) {
      damage(directory, 0, 0, fmt::format("missing: the segment behind offset {}", scanned.index.end_offset.value - 1));
    } else if (scanned.good && !last && scanned.index.end_offset != bases[i + 1]) {
      damage(join_path(directory, segment_file_name(scanned.index.end_offset)), 0, 0,
             fmt::format("missing: offsets {} to {}", scanned.index.end_offset.value, bases[i + 1].value - 1));
      in_a_row = false;
    }
  }
  return {};
}

Status Verifier::begin(const std::string& directory, Offset first, const StreamOptions& options) {
  const std::string path = begin_path(directory);
  MR_ASSIGN(const bool exists, files_.exists(path));
  MR_ASSIGN(const std::optional<Offset> begin, read_begin(files_, directory));
  if (exists && !begin) {
    damage(path, 0, 0, "it is damaged: where retention has let the partition begin is not known", Repair::kRemoveFile);
  }
  const bool may_lack_begin = options.has_retention() && !begin;
  if (may_lack_begin || first <= begin.value_or(Offset{0})) return {};
  damage(join_path(directory, segment_file_name(begin.value_or(Offset{0}))), 0, 0,
         fmt::format("missing: the offsets before {}, which no retention has taken", first.value));
  return {};
}

Result<Verifier::Scanned> Verifier::segment(const std::string& directory, const SegmentHeader& wanted, bool last) {
  const std::string path = join_path(directory, segment_file_name(wanted.base_offset));
  MR_ASSIGN(const std::unique_ptr<RandomAccessFile> file, files_.open_read(path));
  MR_ASSIGN(const uint64_t bytes, file->size());
  out_.bytes += bytes;
  Scanned scanned;
  scanned.index.end_offset = wanted.base_offset;
  MR_ASSIGN(const std::optional<SegmentHeader> header, read_segment_header(*file, bytes));
  if (!header) {
    // A segment is created with its header synced; only the newest may be cut short in there, by a crash.
    const bool unfinished = last && bytes <= kSegmentHeaderBytes && wanted.base_offset.value != 0;
    damage(path, 0, kSegmentHeaderBytes, "the segment header is not good",
           unfinished ? Repair::kRemoveFile : Repair::kNone);
    return scanned;
  }
  if (header->base_offset != wanted.base_offset || header->stream != wanted.stream ||
      header->partition != wanted.partition) {
    damage(path, 0, kSegmentHeaderBytes, "the segment belongs to another place");
    return scanned;
  }
  MR_ASSIGN(const std::optional<std::string> why, scan_frames(*file, bytes, *header, scanned.index));
  scanned.good = !why;
  scanned.compacted = header->compacted;
  MR_ASSIGN(const uint64_t covered, index_file(directory, *header, bytes, scanned.index));
  if (why) {
    const bool may_be_torn = last && !header->compacted && covered <= scanned.index.covered_bytes;
    MR_TRY(tail(path, *file, bytes, header->salt, scanned.index, *why, may_be_torn));
  }
  return scanned;
}

Status Verifier::tail(const std::string& path, const RandomAccessFile& file, uint64_t bytes, uint32_t salt,
                      const SegmentIndex& index, const std::string& why, bool may_be_torn) {
  const std::string from = fmt::format("{} (offset {})", why, index.end_offset.value);
  if (!may_be_torn) {
    damage(path, index.covered_bytes, bytes, from);
    return {};
  }
  MR_ASSIGN(const std::optional<uint64_t> proof, find_proof_of_sync(file, bytes, salt, index.covered_bytes));
  if (proof) {
    damage(path, index.covered_bytes, *proof, from + ", in front of acked data");
  } else {
    damage(path, index.covered_bytes, bytes, from + ", at the end: a write that was cut, or damage to the last of it",
           Repair::kCutTail);
  }
  return {};
}

Result<uint64_t> Verifier::index_file(const std::string& directory, const SegmentHeader& header, uint64_t segment_bytes,
                                      const SegmentIndex& scanned) {
  const std::string path = join_path(directory, index_file_name(header.base_offset));
  MR_ASSIGN(const bool exists, files_.exists(path));
  if (!exists) return uint64_t{0};  // a hint
  MR_ASSIGN(const std::string bytes, files_.read_all(path));
  const std::optional<SegmentIndex> index = decode_segment_index(bytes, header.salt);
  if (!index) {
    damage(path, 0, bytes.size(), "the index is damaged", Repair::kRemoveFile);
    return uint64_t{0};
  }
  if (index->covered_bytes > segment_bytes) {
    damage(join_path(directory, segment_file_name(header.base_offset)), segment_bytes, index->covered_bytes,
           fmt::format("missing: acked offsets up to {}", index->end_offset.value));
    return index->covered_bytes;
  }
  const auto wrong = [&](const IndexEntry& entry) {
    return entry.position < scanned.covered_bytes &&
           std::none_of(scanned.entries.begin(), scanned.entries.end(), [&](const IndexEntry& other) {
             return other.position == entry.position && other.offset == entry.offset;
           });
  };
  if (index->covered_bytes == scanned.covered_bytes &&
      (index->end_offset != scanned.end_offset || std::any_of(index->entries.begin(), index->entries.end(), wrong))) {
    damage(path, 0, bytes.size(), "the index does not agree with its segment", Repair::kRemoveFile);
  }
  return index->covered_bytes;
}

}  // namespace

Status for_each_batch(Env& env, const VerifiedPartition& partition,
                      const std::function<Status(std::string_view batch)>& visit) {
  Offset at = partition.begin;
  while (at < partition.end) {
    const std::string path = join_path(partition.directory, segment_file_name(at));
    MR_ASSIGN(const std::string bytes, env.files().read_all(path));
    std::string_view left = bytes;
    const auto header = left.size() < kSegmentHeaderBytes ? std::nullopt : decode_segment_header(left);
    if (!header) return {};
    Offset segment_end = at;
    if (header->compacted) {
      if (left.size() < kSegmentHeaderBytes + kSegmentFooterBytes) return {};
      const auto footer = decode_segment_footer(left.substr(left.size() - kSegmentFooterBytes), header->salt);
      if (!footer) return {};
      segment_end = footer->end_offset;
      left.remove_suffix(kSegmentFooterBytes);
    }
    left.remove_prefix(kSegmentHeaderBytes);
    const Offset before = at;
    while (left.size() >= kFrameHeaderBytes && at < partition.end) {
      const std::optional<FrameHeader> frame = decode_frame_header(left, header->salt);
      if (!frame || left.size() < frame->frame_bytes()) return {};
      MR_TRY(visit(left.substr(kFrameHeaderBytes, frame->batch_bytes)));
      left.remove_prefix(frame->frame_bytes());
      at = frame->end_offset();
    }
    at = std::max(at, segment_end);
    if (at == before) return {};
  }
  return {};
}

std::string stream_folder(StreamId id) { return fmt::format("{:08}", id.value); }

Result<VerifiedLog> verify_log(Env& env, const std::string& directory) {
  VerifiedLog out;
  Verifier verifier(env, out);
  MR_ASSIGN(const std::vector<FileInfo> found, env.files().list(directory));
  for (const FileInfo& file : found) {
    uint32_t id = 0;
    const char* end = file.name.data() + file.name.size();
    const auto parsed = std::from_chars(file.name.data(), end, id);
    if (!file.is_directory || parsed.ec != std::errc() || parsed.ptr != end) continue;
    MR_TRY(verifier.stream(join_path(directory, file.name), StreamId{id}));
  }
  return out;
}

}  // namespace millrace::log
