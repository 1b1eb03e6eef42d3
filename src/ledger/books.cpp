#include "ledger/books.h"

#include <algorithm>

namespace millrace::ledger {

namespace {

constexpr int64_t kHourMicros = 60 * kMinuteMicros;
constexpr int64_t kDayMicros = 24 * kHourMicros;
/// Minutes that are at least this old are joined into hours, hours that are at least so old into days.
constexpr int64_t kMinutesKept = kDayMicros;
constexpr int64_t kHoursKept = 31 * kDayMicros;

int64_t floor_to(int64_t micros, int64_t unit) {
  const int64_t rest = micros % unit;
  return micros - rest - (rest < 0 ? unit : 0);
}

}  // namespace

Sketch& Cell::own_sketch() {
  if (!sketch) sketch = std::make_unique<Sketch>();
  return *sketch;
}

void Cell::extend(int32_t partition, int64_t first, int64_t last) {
  const auto [at, is_new] = bounds.try_emplace(partition, OffsetBounds{first, last});
  if (is_new) return;
  at->second.first = std::min(at->second.first, first);
  at->second.last = std::max(at->second.last, last);
}

void Cell::add(const Cell& other) {
  count += other.count;
  fingerprint += other.fingerprint;
  if (other.sketch) own_sketch().add(*other.sketch);
  for (const auto& [partition, offsets] : other.bounds) extend(partition, offsets.first, offsets.last);
}

void Cell::reset_sketch() {
  if (!sketch && bounds.empty()) return;
  sketch.reset();
  bounds.clear();
  changed = true;
  was_reset = true;
}

HopId Books::hop(std::string_view name) {
  const auto found = ids_.find(name);
  if (found != ids_.end()) return found->second;
  const auto id = static_cast<HopId>(names_.size());
  names_.emplace_back(name);
  ids_.emplace(name, id);
  return id;
}

void Books::link(StreamId stream, std::string stream_name, Link link) {
  stream_names_[stream] = std::move(stream_name);
  std::vector<Link>& links = links_[stream];
  const auto same = [&](const Link& there) { return there.from == link.from && there.to == link.to; };
  const auto found = std::find_if(links.begin(), links.end(), same);
  if (found == links.end()) {
    links.push_back(std::move(link));
  } else {
    *found = std::move(link);
  }
}

void Books::drop(StreamId stream) {
  links_.erase(stream);
  stream_names_.erase(stream);
  newest_.erase(stream);
  std::erase_if(cells_, [&](const auto& entry) { return entry.first.stream == stream; });
  dropped_streams_.insert(stream);
}

void Books::drop_hop(std::string_view name) {
  const HopId id = hop(name);
  std::erase_if(cells_, [&](const auto& entry) { return entry.first.hop == id; });
  for (auto& [stream, links] : links_) {
    std::erase_if(links, [&](const Link& link) { return link.to == name || link.from == name; });
    for (Link& link : links) std::erase(link.sides, name);
  }
  dropped_hops_.insert(HopName(name));
}

void Books::drop_cells(StreamId stream, std::string_view name) {
  std::erase_if(cells_, [&, id = hop(name)](const auto& entry) {
    return entry.first.stream == stream && entry.first.hop == id;
  });
}

std::string Books::stream_name(StreamId stream) const {
  const auto found = stream_names_.find(stream);
  return found == stream_names_.end() ? std::string() : found->second;
}

const Cell* Books::find(StreamId stream, Timestamp minute, std::string_view hop) const {
  const auto id = ids_.find(hop);
  if (id == ids_.end()) return nullptr;
  const auto found = cells_.find({stream, minute, id->second});
  return found == cells_.end() ? nullptr : &found->second;
}

Timestamp Books::bucket_of(StreamId stream, Timestamp minute) const {
  const auto newest = newest_.find(stream);
  if (newest == newest_.end()) return minute;
  if (minute.micros < floor_to(newest->second.micros - kHoursKept, kDayMicros)) {
    return Timestamp{floor_to(minute.micros, kDayMicros)};
  }
  if (minute.micros < floor_to(newest->second.micros - kMinutesKept, kHourMicros)) {
    return Timestamp{floor_to(minute.micros, kHourMicros)};
  }
  return minute;
}

Cell& Books::cell(StreamId stream, Timestamp minute, HopId hop) {
  advance(stream, minute);
  const Timestamp bucket = bucket_of(stream, minute);
  Cell& found = cells_[{stream, bucket, hop}];
  found.changed = true;
  changed_minutes_.insert({stream, bucket});
  return found;
}

void Books::advance(StreamId stream, Timestamp minute) {
  const auto [newest, is_new] = newest_.try_emplace(stream, minute);
  if (is_new || minute <= newest->second) return;
  const bool next_hour = floor_to(minute.micros, kHourMicros) != floor_to(newest->second.micros, kHourMicros);
  newest->second = minute;
  if (next_hour) fold(stream);
}

void Books::fold(StreamId stream) {
  std::vector<CellKey> old;
  for (auto at = cells_.lower_bound({stream, Timestamp{INT64_MIN}, 0});
       at != cells_.end() && at->first.stream == stream; ++at) {
    if (bucket_of(stream, at->first.minute) != at->first.minute) old.push_back(at->first);
  }
  for (const CellKey& key : old) {
    const auto node = cells_.extract(key);
    const Timestamp bucket = bucket_of(stream, key.minute);
    Cell& joined = cells_[{stream, bucket, key.hop}];
    joined.add(node.mapped());
    joined.changed = true;
    joined.was_reset = true;  // its sketch took over buckets that were written under another minute
    changed_minutes_.insert({stream, bucket});
    erased_minutes_.insert({stream, key.minute});
    changed_minutes_.erase({stream, key.minute});
  }
}

void Books::merge(const Recording& recorded) {
  for (const RecordedRun& run : recorded.runs) {
    Cell& to = cell(run.place.stream, run.place.minute, run.place.hop);
    to.count += run.count;
    to.fingerprint += run.fingerprint;
    to.extend(run.place.partition.value, run.first, run.first + static_cast<int64_t>(run.count) - 1);
    to.own_sketch().add_range(run.place.partition, run.first, run.count);
  }
  for (const RecordedScatter& rows : recorded.scatters) {
    Cell& to = cell(rows.place.stream, rows.place.minute, rows.place.hop);
    to.count += rows.count;
    to.fingerprint += rows.fingerprint;
    to.extend(rows.place.partition.value, rows.least, rows.greatest);
    to.own_sketch().add(*rows.sketch);
  }
  for (const RecordedIds& counted : recorded.ids) {
    Cell& to = cell(counted.stream, counted.minute, counted.hop);
    to.count += counted.ids.count;
    to.fingerprint += counted.ids.fingerprint;
  }
}

bool Books::open_account(std::string_view producer, size_t producers_max) {
  std::string name = kSentHop + std::string(producer);
  if (ids_.contains(name)) return true;
  const auto accounts =
      std::count_if(names_.begin(), names_.end(), [](const HopName& hop) { return hop.starts_with(kSentHop); });
  if (static_cast<size_t>(accounts) >= producers_max) return false;
  hop(name);
  return true;
}

void Books::declare(StreamId stream, std::string stream_name, std::string_view producer, Timestamp minute,
                    const IdSum& sent) {
  stream_names_[stream] = std::move(stream_name);
  Cell& to = cell(stream, minute_of(minute), hop(kSentHop + std::string(producer)));
  to.count = sent.count;
  to.fingerprint = sent.fingerprint;
}

bool Books::agrees(StreamId stream, const Link& link, Timestamp minute) const {
  uint64_t count = 0;
  uint64_t fingerprint = 0;
  if (const Cell* from = find(stream, minute, link.from)) {
    count += from->count;
    fingerprint += from->fingerprint;
  }
  const auto take = [&](const HopName& hop) {
    const Cell* to = find(stream, minute, hop);
    if (!to) return;
    count -= to->count;
    fingerprint -= to->fingerprint;
  };
  take(link.to);
  for (const HopName& side : link.sides) take(side);
  return count == 0 && fingerprint == 0;
}

void Books::settle() {
  for (const auto& [stream, minute] : changed_minutes_) {
    const auto links = links_.find(stream);
    bool all = true;
    if (links != links_.end()) {
      for (const Link& link : links->second) all = all && agrees(stream, link, minute);
    }
    if (!all) continue;
    for (auto at = cells_.lower_bound({stream, minute, 0}); at != cells_.end(); ++at) {
      if (at->first.stream != stream || at->first.minute != minute) break;
      at->second.reset_sketch();
    }
  }
}

std::string Books::take_changes() {
  settle();
  std::string out = encode(true);
  for (const auto& [stream, minute] : changed_minutes_) {
    for (auto at = cells_.lower_bound({stream, minute, 0}); at != cells_.end(); ++at) {
      if (at->first.stream != stream || at->first.minute != minute) break;
      at->second.changed = false;
      at->second.was_reset = false;
      if (at->second.sketch) at->second.sketch->clear_changed();
    }
  }
  changed_minutes_.clear();
  erased_minutes_.clear();
  dropped_streams_.clear();
  dropped_hops_.clear();
  return out;
}

std::string Books::snapshot() const { return encode(false); }

void Books::clear_cells() {
  cells_.clear();
  newest_.clear();
  changed_minutes_.clear();
  erased_minutes_.clear();
  dropped_streams_.clear();
  dropped_hops_.clear();
}

}  // namespace millrace::ledger
