#include <algorithm>

#include "ledger/books.h"
#include "ledger/identity.h"

namespace millrace::ledger {

namespace {

/// Positions named in a verdict's detail.
constexpr size_t kPositionsShown = 8;

/// `from` − `to` − sides, of one link in one minute.
struct Difference {
  uint64_t count = 0;
  uint64_t fingerprint = 0;
  Sketch sketch;
  std::set<int32_t> partitions;             // those that occur in any of the cells
  std::map<int32_t, OffsetBounds> waiting;  // by partition: offsets that `from` has and `to` has not come to yet

  void note(const Cell& cell) {
    for (const auto& [partition, offsets] : cell.bounds) partitions.insert(partition);
  }
  void add(const Cell& cell) {
    count += cell.count;
    fingerprint += cell.fingerprint;
    if (cell.sketch) sketch.add(*cell.sketch);
    note(cell);
  }
  void subtract(const Cell& cell) {
    count -= cell.count;
    fingerprint -= cell.fingerprint;
    if (cell.sketch) sketch.subtract(*cell.sketch);
    note(cell);
  }
  void take_range(StreamId stream, int32_t partition, const OffsetBounds& offsets) {
    const auto rows = static_cast<uint64_t>(offsets.last - offsets.first + 1);
    count -= rows;
    fingerprint -= fingerprint_sum(fingerprint_base(stream, PartitionId(partition)), offsets.first, rows);
    sketch.add_range(PartitionId(partition), offsets.first, rows, -1);
  }
  uint64_t rows_waiting() const {
    uint64_t rows = 0;
    for (const auto& [partition, offsets] : waiting) rows += static_cast<uint64_t>(offsets.last - offsets.first + 1);
    return rows;
  }
};

/// The rows of a difference when the sketch can name them and they account for count and fingerprint to the last bit.
std::optional<std::vector<RowDifference>> rows_of(StreamId stream, const Difference& difference) {
  auto rows = difference.sketch.decode({difference.partitions.begin(), difference.partitions.end()});
  if (!rows) return std::nullopt;
  uint64_t count = 0;
  uint64_t fingerprint = 0;
  for (const RowDifference& row : *rows) {
    count += static_cast<uint64_t>(row.times);
    fingerprint +=
        static_cast<uint64_t>(row.times) * fingerprint_at(fingerprint_base(stream, row.partition), row.offset);
  }
  if (count != difference.count || fingerprint != difference.fingerprint) return std::nullopt;
  return rows;
}

void name_position(std::string& positions, size_t& named, const RowDifference& row) {
  if (++named > kPositionsShown) return;
  if (!positions.empty()) positions += ", ";
  positions += row.times > 0 ? "-" : "+";
  positions += std::to_string(row.partition.value) + ":" + std::to_string(row.offset);
}

VerdictKind kind_of(const Verdict& verdict) {
  if (verdict.lost > 0 && verdict.repeated > 0) {
    return verdict.lost == verdict.repeated ? VerdictKind::kSwapped : VerdictKind::kMixed;
  }
  if (verdict.lost > 0) return VerdictKind::kLost;
  if (verdict.repeated > 0) return VerdictKind::kRepeated;
  return VerdictKind::kInFlight;
}

using CommittedEnds = std::map<std::pair<StreamId, PartitionId>, Offset>;

/// Sorts the rows that differ into lost, repeated and in flight.
void judge(const Difference& difference, const std::vector<RowDifference>& rows, const CommittedEnds& ends,
           Verdict& verdict) {
  verdict.in_flight = difference.rows_waiting();
  std::string positions;
  size_t named = 0;
  for (RowDifference row : rows) {
    const auto waiting = difference.waiting.find(row.partition.value);
    const bool assumed = waiting != difference.waiting.end() && row.offset >= waiting->second.first &&
                         row.offset <= waiting->second.last;
    if (assumed && row.times < 0) {  // it was taken for waiting, but `from` never had it
      --verdict.in_flight;
      if (++row.times == 0) continue;
    }
    const auto end = ends.find({verdict.stream, row.partition});
    if (row.times > 0 && end != ends.end() && row.offset >= end->second.value) {
      verdict.in_flight += static_cast<uint64_t>(row.times);
      continue;
    }
    (row.times > 0 ? verdict.lost : verdict.repeated) += static_cast<uint64_t>(std::abs(row.times));
    name_position(positions, named, row);
  }
  if (named > kPositionsShown) positions += ", and " + std::to_string(named - kPositionsShown) + " more";
  if (named > 0) verdict.detail = "partition:offset " + positions;
  verdict.kind = kind_of(verdict);
}

/// Too many rows differ to name them: what the counts alone say.
void judge_by_count(const Difference& whole, uint64_t rows_waiting, Verdict& verdict) {
  const auto net = static_cast<int64_t>(whole.count);
  if (net > 0) {
    verdict.in_flight = std::min(static_cast<uint64_t>(net), rows_waiting);
    verdict.lost = static_cast<uint64_t>(net) - verdict.in_flight;
  } else {
    verdict.repeated = static_cast<uint64_t>(-net);
  }
  if (verdict.lost == 0 && verdict.repeated == 0) {  // the counts agree, the fingerprints do not
    verdict.lost = 1;
    verdict.repeated = 1;
  }
  verdict.kind = kind_of(verdict);
  verdict.detail = "at least; too many rows differ to name them";
}

}  // namespace

Verdict Books::compare(StreamId stream, const Link& link, Timestamp minute, const CommittedEnds& committed_end) const {
  Verdict verdict{link.from, link.to, stream, minute, VerdictKind::kClosed, 0, 0, 0, {}};
  if (agrees(stream, link, minute)) return verdict;
  Difference whole;
  std::map<int32_t, int64_t> reached;  // by partition: the greatest offset in `to` and the sides
  const auto take = [&](const HopName& name) {
    const Cell* cell = find(stream, minute, name);
    if (!cell) return;
    whole.subtract(*cell);
    for (const auto& [partition, offsets] : cell->bounds) {
      const auto [at, is_new] = reached.try_emplace(partition, offsets.last);
      if (!is_new) at->second = std::max(at->second, offsets.last);
    }
  };
  const Cell* from = find(stream, minute, link.from);
  if (from) whole.add(*from);
  take(link.to);
  for (const HopName& side : link.sides) take(side);

  // A backlog may hold more rows than a sketch can name. But its rows are consecutive: take them away as a range.
  Difference rest = whole;
  if (from) {
    for (const auto& [partition, offsets] : from->bounds) {
      const auto end = committed_end.find({stream, PartitionId(partition)});
      if (end == committed_end.end()) continue;
      const auto at = reached.find(partition);
      const int64_t first = std::max({end->second.value, offsets.first, at == reached.end() ? 0 : at->second + 1});
      if (first > offsets.last) continue;
      rest.waiting[partition] = {first, offsets.last};
      rest.take_range(stream, partition, rest.waiting[partition]);
    }
  }
  const uint64_t rows_waiting = rest.rows_waiting();
  if (auto rows = rows_of(stream, rest)) {
    judge(rest, *rows, committed_end, verdict);
  } else if (rows_waiting > 0 && (rows = rows_of(stream, whole))) {
    judge(whole, *rows, committed_end, verdict);
  } else {
    judge_by_count(whole, rows_waiting, verdict);
  }
  return verdict;
}

Verdict Books::compare_sent(const CellKey& sent, const Cell& cell) const {
  Verdict verdict{names_[sent.hop], {}, sent.stream, sent.minute, VerdictKind::kClosed, 0, 0, 0, {}};
  if (!verdict.from.starts_with(kSentHop)) return verdict;
  const std::string producer = verdict.from.substr(kSentHop.size());
  verdict.to = "received:" + producer;
  uint64_t count = cell.count;
  uint64_t fingerprint = cell.fingerprint;
  for (const HopName& hop : {verdict.to, "rejected:" + producer}) {
    const Cell* came = find(sent.stream, sent.minute, hop);
    if (!came) continue;
    count -= came->count;
    fingerprint -= came->fingerprint;
  }
  if (count == 0 && fingerprint == 0) return verdict;
  const auto net = static_cast<int64_t>(count);
  verdict.lost = net > 0 ? count : 0;
  verdict.repeated = net < 0 ? -count : 0;
  verdict.detail = "by message id, at least";
  if (net == 0) {
    verdict.lost = verdict.repeated = 1;
    verdict.detail = "by message id: as many came, but other ones; at least";
  }
  verdict.kind = kind_of(verdict);
  return verdict;
}

}  // namespace millrace::ledger
