#include "ledger/sketch.h"

namespace millrace::ledger {

void Sketch::add(const Sketch& other) {
  for (size_t i = 0; i < cells_.size(); ++i) {
    cells_[i].count += other.cells_[i].count;
    cells_[i].identities += other.cells_[i].identities;
    cells_[i].mixes += other.cells_[i].mixes;
  }
}

void Sketch::subtract(const Sketch& other) {
  for (size_t i = 0; i < cells_.size(); ++i) {
    cells_[i].count -= other.cells_[i].count;
    cells_[i].identities -= other.cells_[i].identities;
    cells_[i].mixes -= other.cells_[i].mixes;
  }
}

bool Sketch::empty() const {
  for (const Cell& cell : cells_) {
    if (!(cell == Cell{})) return false;
  }
  return true;
}

std::optional<std::vector<std::pair<uint64_t, int64_t>>> Sketch::decode(uint64_t (*mix_of)(uint64_t, uint64_t), uint64_t salt) const {
  Sketch left = *this;
  std::vector<std::pair<uint64_t, int64_t>> found;
  bool progress = true;
  while (progress) {
    progress = false;
    for (const Cell& cell : left.cells_) {
      if (cell.count == 0) continue;
      // Pure: all its rows are one identity, so the sums are multiples of it and of its mix.
      auto times = cell.count;
      auto signed_sum = static_cast<int64_t>(cell.identities);
      if (signed_sum % times != 0) continue;
      auto identity = static_cast<uint64_t>(signed_sum / times);
      uint64_t mix = mix_of(identity, salt);
      if (mix * static_cast<uint64_t>(times) != cell.mixes) continue;
      Sketch one;
      for (size_t table = 0; table < kTables; ++table) {
        Cell& at = one.cells_[table * kCells + place(mix, table)];
        at.count = times;
        at.identities = identity * static_cast<uint64_t>(times);
        at.mixes = mix * static_cast<uint64_t>(times);
      }
      found.emplace_back(identity, times);
      left.subtract(one);
      progress = true;
      break;
    }
    if (found.size() > kTables * kCells) return std::nullopt;
  }
  if (!left.empty()) return std::nullopt;
  return found;
}

void Sketch::append_to(std::string& out) const {
  uint64_t used = 0;
  for (const Cell& cell : cells_) used += !(cell == Cell{});
  append_varint(out, used);
  for (size_t i = 0; i < cells_.size(); ++i) {
    if (cells_[i] == Cell{}) continue;
    append_varint(out, i);
    append_zigzag(out, cells_[i].count);
    append_little(out, cells_[i].identities);
    append_little(out, cells_[i].mixes);
  }
}

Status Sketch::read_from(ByteReader& reader) {
  cells_.fill({});
  MR_ASSIGN(uint64_t used, reader.varint());
  for (uint64_t i = 0; i < used; ++i) {
    MR_ASSIGN(uint64_t at, reader.varint());
    if (at >= cells_.size()) return external_error(sqlstate::kDataCorrupted, "a ledger sketch names a cell that is not there");
    MR_ASSIGN(cells_[at].count, reader.zigzag());
    MR_ASSIGN(cells_[at].identities, reader.little<uint64_t>());
    MR_ASSIGN(cells_[at].mixes, reader.little<uint64_t>());
  }
  return {};
}

}  // namespace millrace::ledger
