#include <limits>

#include "ledger/books.h"

namespace millrace::ledger {

namespace {

constexpr uint8_t kFormat = 1;
constexpr uint8_t kSketchReset = 1;  // flags of a cell
constexpr uint8_t kHasSketch = 2;

Error damaged(std::string_view what) {
  return external_error(sqlstate::kDataCorrupted, "the stored ledger is damaged: " + std::string(what));
}

Result<Timestamp> read_minute(ByteReader& reader) {
  MR_ASSIGN(const int64_t minutes, reader.zigzag());
  if (minutes > std::numeric_limits<int64_t>::max() / kMinuteMicros ||
      minutes < std::numeric_limits<int64_t>::min() / kMinuteMicros) {
    return damaged("a minute out of range");
  }
  return Timestamp{minutes * kMinuteMicros};
}

Result<StreamId> read_stream(ByteReader& reader) {
  MR_ASSIGN(const uint64_t stream, reader.varint());
  if (stream > std::numeric_limits<uint32_t>::max()) return damaged("a stream number out of range");
  return StreamId(static_cast<uint32_t>(stream));
}

}  // namespace

void Books::append_cell(std::string& out, const CellKey& key, const Cell& cell, bool only_changed,
                        std::map<HopId, uint64_t>& hop_numbers) const {
  const auto number = hop_numbers.try_emplace(key.hop, hop_numbers.size()).first;
  append_varint(out, number->second);
  append_varint(out, key.stream.value);
  append_zigzag(out, key.minute.micros / kMinuteMicros);
  append_varint(out, cell.count);
  append_little(out, cell.fingerprint);
  const bool reset = !only_changed || cell.was_reset;
  append_little(out, static_cast<uint8_t>((reset ? kSketchReset : 0) | (cell.sketch ? kHasSketch : 0)));
  if (!cell.sketch) return;
  append_varint(out, cell.bounds.size());
  for (const auto& [partition, offsets] : cell.bounds) {
    append_varint(out, static_cast<uint32_t>(partition));
    append_zigzag(out, offsets.first);
    append_zigzag(out, offsets.last - offsets.first);
  }
  cell.sketch->append_to(out, !reset);
}

std::string Books::encode(bool only_changed) const {
  std::map<HopId, uint64_t> hop_numbers;
  std::string cells;
  uint64_t count = 0;
  if (only_changed) {
    for (const auto& [stream, minute] : changed_minutes_) {
      for (auto at = cells_.lower_bound({stream, minute, 0}); at != cells_.end(); ++at) {
        if (at->first.stream != stream || at->first.minute != minute) break;
        if (!at->second.changed) continue;
        append_cell(cells, at->first, at->second, true, hop_numbers);
        ++count;
      }
    }
  } else {
    for (const auto& [key, cell] : cells_) append_cell(cells, key, cell, false, hop_numbers);
    count = cells_.size();
  }
  std::string out(1, static_cast<char>(kFormat));
  append_varint(out, dropped_streams_.size());
  for (const StreamId stream : dropped_streams_) append_varint(out, stream.value);
  append_varint(out, dropped_hops_.size());
  for (const HopName& name : dropped_hops_) append_string(out, name);
  append_varint(out, erased_minutes_.size());
  for (const auto& [stream, minute] : erased_minutes_) {
    append_varint(out, stream.value);
    append_zigzag(out, minute.micros / kMinuteMicros);
  }
  append_varint(out, newest_.size());
  for (const auto& [stream, minute] : newest_) {
    append_varint(out, stream.value);
    append_zigzag(out, minute.micros / kMinuteMicros);
  }
  std::vector<HopId> by_number(hop_numbers.size());
  for (const auto& [hop, number] : hop_numbers) by_number[number] = hop;
  append_varint(out, by_number.size());
  for (const HopId hop : by_number) append_string(out, names_[hop]);
  append_varint(out, count);
  return out + cells;
}

Status Books::read_cell(ByteReader& reader, const std::vector<HopId>& hops) {
  CellKey key;
  MR_ASSIGN(const uint64_t hop_number, reader.varint());
  if (hop_number >= hops.size()) return damaged("a hop that is not named");
  key.hop = hops[hop_number];
  MR_ASSIGN(key.stream, read_stream(reader));
  MR_ASSIGN(key.minute, read_minute(reader));
  Cell& cell = cells_[key];
  MR_ASSIGN(cell.count, reader.varint());
  MR_ASSIGN(cell.fingerprint, reader.little<uint64_t>());
  MR_ASSIGN(const uint8_t flags, reader.little<uint8_t>());
  if (flags & kSketchReset) {
    cell.sketch.reset();
    cell.bounds.clear();
  }
  if (!(flags & kHasSketch)) return {};
  MR_ASSIGN(const uint64_t partitions, reader.varint());
  for (uint64_t i = 0; i < partitions; ++i) {
    MR_ASSIGN(const uint64_t partition, reader.varint());
    MR_ASSIGN(const int64_t first, reader.zigzag());
    MR_ASSIGN(const int64_t length, reader.zigzag());
    if (length < 0 || first > std::numeric_limits<int64_t>::max() - length) return damaged("offsets out of range");
    cell.bounds[static_cast<int32_t>(partition)] = {first, first + length};
  }
  return cell.own_sketch().read_from(reader);
}

Status Books::apply(std::string_view bytes) {
  if (bytes.empty()) return {};
  ByteReader reader(bytes);
  MR_ASSIGN(const uint8_t format, reader.little<uint8_t>());
  if (format != kFormat) {
    return user_error(sqlstate::kNotSupported, "the stored ledger has format version " + std::to_string(format))
        .with_hint("this program reads version " + std::to_string(kFormat) +
                   "; use the release that wrote the directory");
  }
  MR_ASSIGN(const uint64_t streams, reader.varint());
  for (uint64_t i = 0; i < streams; ++i) {
    MR_ASSIGN(const StreamId stream, read_stream(reader));
    std::erase_if(cells_, [&](const auto& entry) { return entry.first.stream == stream; });
    newest_.erase(stream);
  }
  MR_ASSIGN(const uint64_t dropped_hops, reader.varint());
  for (uint64_t i = 0; i < dropped_hops; ++i) {
    MR_ASSIGN(const std::string_view name, reader.string());
    std::erase_if(cells_, [id = hop(name)](const auto& entry) { return entry.first.hop == id; });
  }
  MR_ASSIGN(const uint64_t erased, reader.varint());
  for (uint64_t i = 0; i < erased; ++i) {
    MR_ASSIGN(const StreamId stream, read_stream(reader));
    MR_ASSIGN(const Timestamp minute, read_minute(reader));
    cells_.erase(cells_.lower_bound({stream, minute, 0}),
                 cells_.upper_bound({stream, minute, std::numeric_limits<HopId>::max()}));
  }
  MR_ASSIGN(const uint64_t newest, reader.varint());
  for (uint64_t i = 0; i < newest; ++i) {
    MR_ASSIGN(const StreamId stream, read_stream(reader));
    MR_ASSIGN(newest_[stream], read_minute(reader));
  }
  MR_ASSIGN(const uint64_t hop_count, reader.varint());
  std::vector<HopId> hops;
  for (uint64_t i = 0; i < hop_count; ++i) {
    MR_ASSIGN(const std::string_view name, reader.string());
    hops.push_back(hop(name));
  }
  MR_ASSIGN(const uint64_t count, reader.varint());
  for (uint64_t i = 0; i < count; ++i) MR_TRY(read_cell(reader, hops));
  return reader.done() ? Status() : Status(damaged("bytes after its end"));
}

}  // namespace millrace::ledger
