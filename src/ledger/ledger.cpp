#include "ledger/ledger.h"

#include <algorithm>
#include <set>

#include "ledger/books.h"
#include "ledger/identity.h"

namespace millrace::ledger {

uint64_t fingerprint(StreamId stream, PartitionId partition, Offset offset) {
  return fingerprint_at(fingerprint_base(stream, partition), offset.value);
}

struct Ledger::Rep {
  mutable std::mutex mutex;
  Books books;  // guarded by mutex
};

Ledger::Ledger() : rep_(std::make_unique<Rep>()) {}
Ledger::~Ledger() = default;

HopId Ledger::hop(std::string_view name) {
  std::lock_guard guard(rep_->mutex);
  return rep_->books.hop(name);
}

void Ledger::link(StreamId stream, std::string stream_name, Link link) {
  std::lock_guard guard(rep_->mutex);
  rep_->books.link(stream, std::move(stream_name), std::move(link));
}

void Ledger::drop(StreamId stream) {
  std::lock_guard guard(rep_->mutex);
  rep_->books.drop(stream);
}

void Ledger::drop_hop(std::string_view name) {
  std::lock_guard guard(rep_->mutex);
  rep_->books.drop_hop(name);
}

void Ledger::drop_cells(StreamId stream, std::string_view hop) {
  std::lock_guard lock(rep_->mutex);
  rep_->books.drop_cells(stream, hop);
}

void Ledger::merge(Recorder& recorder) {
  if (recorder.empty()) return;
  {
    std::lock_guard guard(rep_->mutex);
    rep_->books.merge(*recorder.rep_);
  }
  recorder.clear();
}

bool Ledger::open_account(std::string_view producer, size_t producers_max) {
  std::lock_guard guard(rep_->mutex);
  return rep_->books.open_account(producer, producers_max);
}

void Ledger::declare(StreamId stream, std::string stream_name, std::string_view producer, Timestamp minute,
                     const IdSum& sent) {
  std::lock_guard guard(rep_->mutex);
  rep_->books.declare(stream, std::move(stream_name), producer, minute, sent);
}

std::string Ledger::take_changes() {
  std::lock_guard guard(rep_->mutex);
  return rep_->books.take_changes();
}

Status Ledger::apply_changes(std::string_view bytes) {
  std::lock_guard guard(rep_->mutex);
  return rep_->books.apply(bytes);
}

std::string Ledger::snapshot() const {
  std::lock_guard guard(rep_->mutex);
  return rep_->books.snapshot();
}

Status Ledger::restore(std::string_view bytes) {
  std::lock_guard guard(rep_->mutex);
  rep_->books.clear_cells();
  return rep_->books.apply(bytes);
}

Report Ledger::report(const std::map<std::pair<StreamId, PartitionId>, Offset>& committed_end) const {
  std::lock_guard guard(rep_->mutex);
  const Books& books = rep_->books;
  Report report;
  std::map<std::pair<StreamId, HopId>, HopTotal> totals;
  std::map<StreamId, std::set<Timestamp>> minutes;
  for (const auto& [key, cell] : books.cells()) {
    HopTotal& total = totals[{key.stream, key.hop}];
    total.count += cell.count;
    total.fingerprint += cell.fingerprint;
    minutes[key.stream].insert(key.minute);
  }
  for (auto& [key, total] : totals) {
    total.stream = key.first;
    total.stream_name = books.stream_name(key.first);
    total.hop = books.name_of(key.second);
    report.totals.push_back(std::move(total));
  }
  report.closed = true;
  const auto note = [&](Verdict verdict) {
    if (verdict.kind == VerdictKind::kClosed) return;
    if (verdict.kind != VerdictKind::kInFlight) report.closed = false;
    report.open.push_back(std::move(verdict));
  };
  for (const auto& [key, cell] : books.cells()) note(books.compare_sent(key, cell));
  for (const auto& [stream, links] : books.links()) {
    for (const Timestamp minute : minutes[stream]) {
      for (const Link& link : links) {
        note(books.compare(stream, link, minute, committed_end));
      }
    }
  }
  return report;
}

std::vector<Ledger::Row> Ledger::rows() const {
  std::lock_guard guard(rep_->mutex);
  std::vector<Row> rows;
  for (const auto& [key, cell] : rep_->books.cells()) {
    rows.push_back({rep_->books.name_of(key.hop), key.stream, rep_->books.stream_name(key.stream), key.minute,
                    cell.count, cell.fingerprint});
  }
  return rows;
}

}  // namespace millrace::ledger
