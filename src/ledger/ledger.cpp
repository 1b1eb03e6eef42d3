#include "ledger/ledger.h"

#include <algorithm>
#include <tuple>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/text.h"
#include "ledger/sketch.h"

namespace millrace::ledger {
namespace {

constexpr uint8_t kVersion = 1;
constexpr int64_t kMinuteMicros = 60000000;
constexpr int64_t kHourMicros = 60 * kMinuteMicros;
/// Minutes older than this, seen from the newest of their stream, are folded into hours without a sketch.
constexpr int64_t kSketchedMicros = 24 * kHourMicros;

/// Which row, within its stream: positive and below 2^63, so that sums of it divide cleanly.
uint64_t identity_of(PartitionId partition, int64_t offset) {
  return static_cast<uint64_t>(partition.value) << 44 | static_cast<uint64_t>(offset);
}

uint64_t mix_of(uint64_t identity, uint64_t stream) { return mix64(identity * 0x9e3779b97f4a7c15ULL + mix64(stream + 1)); }

Timestamp minute_of(Timestamp time) { return Timestamp{time.micros - ((time.micros % kMinuteMicros) + kMinuteMicros) % kMinuteMicros}; }

struct CellKey {
  HopId hop = 0;
  StreamId stream;
  Timestamp minute;
  auto operator<=>(const CellKey&) const = default;
};

struct CellTotals {
  uint64_t count = 0;
  uint64_t fingerprint = 0;
  std::unique_ptr<Sketch> sketch = std::make_unique<Sketch>();  // null once folded
  std::map<int32_t, std::pair<int64_t, int64_t>> ranges;        // by partition: first and last offset seen

  void extend(PartitionId partition, int64_t first, int64_t last) {
    auto [at, is_new] = ranges.try_emplace(partition.value, first, last);
    if (is_new) return;
    at->second.first = std::min(at->second.first, first);
    at->second.second = std::max(at->second.second, last);
  }

  void add(const CellTotals& other) {
    count += other.count;
    fingerprint += other.fingerprint;
    if (sketch && other.sketch) sketch->add(*other.sketch);
    if (!other.sketch) sketch.reset();
    for (const auto& [partition, range] : other.ranges) extend(PartitionId(partition), range.first, range.second);
  }
};

}  // namespace

uint64_t fingerprint(StreamId stream, PartitionId partition, Offset offset) {
  return mix_of(identity_of(partition, offset.value), stream.value);
}

// ---- Recorder

struct Recorder::Rep {
  std::map<CellKey, CellTotals> cells;
  // The cell of the last call: the next one is nearly always for the same.
  CellKey last_key;
  CellTotals* last = nullptr;

  CellTotals& cell(HopId hop, StreamId stream, Timestamp append_time) {
    CellKey key{hop, stream, minute_of(append_time)};
    if (!last || !(key == last_key)) {
      last_key = key;
      last = &cells[key];
    }
    return *last;
  }
};

Recorder::Recorder() : rep_(std::make_unique<Rep>()) {}
Recorder::~Recorder() = default;
Recorder::Recorder(Recorder&&) noexcept = default;
Recorder& Recorder::operator=(Recorder&&) noexcept = default;

void Recorder::add(HopId hop, StreamId stream, PartitionId partition, Timestamp append_time, Offset first, uint32_t count) {
  if (count == 0) return;
  CellTotals& cell = rep_->cell(hop, stream, append_time);
  cell.count += count;
  cell.extend(partition, first.value, first.value + count - 1);
  for (int64_t offset = first.value; offset < first.value + count; ++offset) {
    uint64_t identity = identity_of(partition, offset);
    uint64_t mix = mix_of(identity, stream.value);
    cell.fingerprint += mix;
    cell.sketch->add(identity, mix);
  }
}

void Recorder::add_rows(HopId hop, StreamId stream, PartitionId partition, Timestamp append_time, std::span<const int64_t> offsets) {
  if (offsets.empty()) return;
  CellTotals& cell = rep_->cell(hop, stream, append_time);
  cell.count += offsets.size();
  auto [least, greatest] = std::minmax(offsets.front(), offsets.back());
  cell.extend(partition, least, greatest);
  for (int64_t offset : offsets) {
    uint64_t identity = identity_of(partition, offset);
    uint64_t mix = mix_of(identity, stream.value);
    cell.fingerprint += mix;
    cell.sketch->add(identity, mix);
  }
}

void Recorder::clear() {
  rep_->cells.clear();
  rep_->last = nullptr;
}

bool Recorder::empty() const { return rep_->cells.empty(); }

// ---- Ledger

struct Ledger::Rep {
  mutable std::mutex mutex;
  // All below guarded by mutex.
  std::vector<HopName> hops;
  std::map<StreamId, std::string> stream_names;
  std::map<StreamId, std::vector<Link>> links;
  std::map<CellKey, CellTotals> cells;
  std::map<CellKey, bool> changed;

  HopId hop(std::string_view name) {
    auto found = std::find(hops.begin(), hops.end(), name);
    if (found == hops.end()) found = hops.insert(hops.end(), HopName(name));
    return static_cast<HopId>(found - hops.begin());
  }

  void append_cell(std::string& out, const CellKey& key, const CellTotals& cell) const {
    append_string(out, hops[key.hop]);
    append_varint(out, key.stream.value);
    append_zigzag(out, key.minute.micros);
    append_varint(out, cell.count);
    append_little(out, cell.fingerprint);
    append_varint(out, cell.ranges.size());
    for (const auto& [partition, range] : cell.ranges) {
      append_varint(out, static_cast<uint64_t>(partition));
      append_zigzag(out, range.first);
      append_zigzag(out, range.second);
    }
    append_little(out, static_cast<uint8_t>(cell.sketch != nullptr));
    if (cell.sketch) cell.sketch->append_to(out);
  }

  Status read_cells(std::string_view bytes) {
    if (bytes.empty()) return {};
    ByteReader reader(bytes);
    MR_ASSIGN(uint8_t version, reader.little<uint8_t>());
    if (version != kVersion) return user_error(sqlstate::kNotSupported, "the ledger has format version " + std::to_string(version));
    MR_ASSIGN(uint64_t count, reader.varint());
    for (uint64_t i = 0; i < count; ++i) {
      MR_ASSIGN(std::string_view name, reader.string());
      CellKey key;
      key.hop = hop(name);
      MR_ASSIGN(uint64_t stream, reader.varint());
      key.stream = StreamId(static_cast<uint32_t>(stream));
      MR_ASSIGN(key.minute.micros, reader.zigzag());
      CellTotals cell;
      MR_ASSIGN(cell.count, reader.varint());
      MR_ASSIGN(cell.fingerprint, reader.little<uint64_t>());
      MR_ASSIGN(uint64_t ranges, reader.varint());
      for (uint64_t r = 0; r < ranges; ++r) {
        MR_ASSIGN(uint64_t partition, reader.varint());
        MR_ASSIGN(int64_t first, reader.zigzag());
        MR_ASSIGN(int64_t last, reader.zigzag());
        cell.extend(PartitionId(static_cast<int32_t>(partition)), first, last);
      }
      MR_ASSIGN(uint8_t sketched, reader.little<uint8_t>());
      if (sketched) {
        MR_TRY(cell.sketch->read_from(reader));
      } else {
        cell.sketch.reset();
      }
      cells[key] = std::move(cell);
    }
    return {};
  }

  /// Bounds the memory: old minutes become hours. All hops of a stream fold at the same borders, so links still compare.
  void fold(StreamId stream) {
    Timestamp newest{INT64_MIN};
    for (const auto& [key, cell] : cells) {
      if (key.stream == stream) newest = std::max(newest, key.minute);
    }
    std::vector<CellKey> old;
    for (const auto& [key, cell] : cells) {
      if (key.stream == stream && cell.sketch && key.minute.micros + kSketchedMicros + kHourMicros < newest.micros) old.push_back(key);
    }
    for (const CellKey& key : old) {
      CellTotals cell = std::move(cells[key]);
      cells.erase(key);
      cell.sketch.reset();
      CellKey hour = key;
      hour.minute.micros -= ((key.minute.micros % kHourMicros) + kHourMicros) % kHourMicros;
      auto [at, is_new] = cells.try_emplace(hour);
      if (is_new) at->second.sketch.reset();
      at->second.add(cell);
      changed[hour] = true;
    }
  }

  Verdict compare(StreamId stream, const Link& link, Timestamp minute, const std::map<std::pair<StreamId, PartitionId>, Offset>& ends);
};

HopId Ledger::hop(std::string_view name) {
  std::lock_guard guard(rep_->mutex);
  return rep_->hop(name);
}

Ledger::Ledger() : rep_(std::make_unique<Rep>()) {}
Ledger::~Ledger() = default;

void Ledger::link(StreamId stream, std::string stream_name, Link link) {
  std::lock_guard guard(rep_->mutex);
  rep_->stream_names[stream] = std::move(stream_name);
  std::vector<Link>& links = rep_->links[stream];
  auto same = [&](const Link& there) { return there.from == link.from && there.to == link.to; };
  auto found = std::find_if(links.begin(), links.end(), same);
  if (found == links.end()) {
    links.push_back(std::move(link));
  } else {
    *found = std::move(link);
  }
}

void Ledger::drop(StreamId stream) {
  std::lock_guard guard(rep_->mutex);
  rep_->links.erase(stream);
  rep_->stream_names.erase(stream);
  std::erase_if(rep_->cells, [&](const auto& entry) { return entry.first.stream == stream; });
  std::erase_if(rep_->changed, [&](const auto& entry) { return entry.first.stream == stream; });
}

void Ledger::drop_hop(std::string_view name) {
  std::lock_guard guard(rep_->mutex);
  HopId hop = rep_->hop(name);
  std::erase_if(rep_->cells, [&](const auto& entry) { return entry.first.hop == hop; });
  std::erase_if(rep_->changed, [&](const auto& entry) { return entry.first.hop == hop; });
  for (auto& [stream, links] : rep_->links) {
    std::erase_if(links, [&](const Link& link) { return link.to == name || link.from == name; });
  }
}

void Ledger::merge(Recorder& recorder) {
  std::lock_guard guard(rep_->mutex);
  StreamId folded{};
  for (auto& [key, cell] : recorder.rep_->cells) {
    auto [at, is_new] = rep_->cells.try_emplace(key);
    at->second.add(cell);
    rep_->changed[key] = true;
    if (is_new && !(folded == key.stream)) {
      folded = key.stream;
      rep_->fold(key.stream);
    }
  }
  recorder.clear();
}

std::string Ledger::take_changes() {
  std::lock_guard guard(rep_->mutex);
  std::string cells;
  uint64_t count = 0;
  for (const auto& [key, unused] : rep_->changed) {
    auto found = rep_->cells.find(key);
    if (found == rep_->cells.end()) continue;
    rep_->append_cell(cells, key, found->second);
    ++count;
  }
  rep_->changed.clear();
  std::string out(1, static_cast<char>(kVersion));
  append_varint(out, count);
  return out + cells;
}

Status Ledger::apply_changes(std::string_view bytes) {
  std::lock_guard guard(rep_->mutex);
  return rep_->read_cells(bytes);
}

std::string Ledger::snapshot() const {
  std::lock_guard guard(rep_->mutex);
  std::string out(1, static_cast<char>(kVersion));
  append_varint(out, rep_->cells.size());
  for (const auto& [key, cell] : rep_->cells) rep_->append_cell(out, key, cell);
  return out;
}

Status Ledger::restore(std::string_view bytes) {
  std::lock_guard guard(rep_->mutex);
  rep_->cells.clear();
  rep_->changed.clear();
  return rep_->read_cells(bytes);
}

Verdict Ledger::Rep::compare(StreamId stream, const Link& link, Timestamp minute,
                             const std::map<std::pair<StreamId, PartitionId>, Offset>& ends) {
  Verdict verdict{link.from, link.to, stream, minute, VerdictKind::kClosed, 0, 0, 0, {}};
  CellTotals difference;  // from − to − sides
  bool sketched = true;
  auto take = [&](const HopName& name, bool subtract) {
    auto found = cells.find({hop(name), stream, minute});
    if (found == cells.end()) return;
    const CellTotals& cell = found->second;
    difference.count += subtract ? -cell.count : cell.count;
    difference.fingerprint += subtract ? -cell.fingerprint : cell.fingerprint;
    sketched &= cell.sketch != nullptr;
    if (!cell.sketch) return;
    subtract ? difference.sketch->subtract(*cell.sketch) : difference.sketch->add(*cell.sketch);
  };
  take(link.from, false);
  take(link.to, true);
  for (const HopName& side : link.sides) take(side, true);
  if (difference.count == 0 && difference.fingerprint == 0) return verdict;

  // What lies behind the committed end waits: a minute's offsets of a partition have no gaps, so these rows are known.
  auto from_cell = cells.find({hop(link.from), stream, minute});
  if (from_cell != cells.end() && static_cast<int64_t>(difference.count) > 0) {
    for (const auto& [partition, range] : from_cell->second.ranges) {
      auto end = ends.find({stream, PartitionId(partition)});
      if (end == ends.end()) continue;
      for (int64_t offset = std::max(end->second.value, range.first); offset <= range.second; ++offset) {
        uint64_t identity = identity_of(PartitionId(partition), offset);
        uint64_t mix = mix_of(identity, stream.value);
        difference.count -= 1;
        difference.fingerprint -= mix;
        difference.sketch->remove(identity, mix);
        ++verdict.in_flight;
      }
    }
    if (difference.count == 0 && difference.fingerprint == 0) {
      verdict.kind = VerdictKind::kInFlight;
      return verdict;
    }
  }
  auto rows = sketched ? difference.sketch->decode(mix_of, stream.value) : std::nullopt;
  auto net = static_cast<int64_t>(difference.count);
  if (!rows) {
    verdict.lost = net > 0 ? static_cast<uint64_t>(net) : 0;
    verdict.repeated = net < 0 ? static_cast<uint64_t>(-net) : 0;
    verdict.kind = net > 0 ? VerdictKind::kLost : net < 0 ? VerdictKind::kRepeated : VerdictKind::kSwapped;
    verdict.detail = "at least this many: too many rows differ to name them";
    return verdict;
  }
  std::string places;
  for (const auto& [identity, times] : *rows) {
    PartitionId partition(static_cast<int32_t>(identity >> 44));
    Offset offset(static_cast<int64_t>(identity & ((uint64_t{1} << 44) - 1)));
    (times > 0 ? verdict.lost : verdict.repeated) += static_cast<uint64_t>(times > 0 ? times : -times);
    if (places.size() < 200) {
      places += (places.empty() ? "" : ", ") + std::string(times > 0 ? "-" : "+") + std::to_string(partition.value) + "/" + std::to_string(offset.value);
    }
  }
  verdict.detail = std::move(places);
  bool lost = verdict.lost > 0;
  bool repeated = verdict.repeated > 0;
  verdict.kind = lost && repeated ? (verdict.lost == verdict.repeated ? VerdictKind::kSwapped : VerdictKind::kMixed)
                 : lost           ? VerdictKind::kLost
                 : repeated       ? VerdictKind::kRepeated
                                  : VerdictKind::kInFlight;
  return verdict;
}

Report Ledger::report(const std::map<std::pair<StreamId, PartitionId>, Offset>& committed_end) const {
  std::lock_guard guard(rep_->mutex);
  Report report;
  std::map<std::pair<StreamId, HopId>, HopTotal> totals;
  std::map<StreamId, std::vector<Timestamp>> minutes;
  for (const auto& [key, cell] : rep_->cells) {
    HopTotal& total = totals[{key.stream, key.hop}];
    total.hop = rep_->hops[key.hop];
    total.stream = key.stream;
    auto name = rep_->stream_names.find(key.stream);
    if (name != rep_->stream_names.end()) total.stream_name = name->second;
    total.count += cell.count;
    total.fingerprint += cell.fingerprint;
    minutes[key.stream].push_back(key.minute);
  }
  for (auto& [key, total] : totals) report.totals.push_back(std::move(total));
  report.closed = true;
  for (auto& [stream, list] : minutes) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    auto links = rep_->links.find(stream);
    if (links == rep_->links.end()) continue;
    for (const Link& link : links->second) {
      for (Timestamp minute : list) {
        Verdict verdict = rep_->compare(stream, link, minute, committed_end);
        if (verdict.kind == VerdictKind::kClosed) continue;
        report.closed &= verdict.kind == VerdictKind::kInFlight;
        report.open.push_back(std::move(verdict));
      }
    }
  }
  return report;
}

std::vector<Ledger::Row> Ledger::rows() const {
  std::lock_guard guard(rep_->mutex);
  std::vector<Row> rows;
  for (const auto& [key, cell] : rep_->cells) {
    Row row{rep_->hops[key.hop], key.stream, {}, key.minute, cell.count, cell.fingerprint};
    auto name = rep_->stream_names.find(key.stream);
    if (name != rep_->stream_names.end()) row.stream_name = name->second;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace millrace::ledger
