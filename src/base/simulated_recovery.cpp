// What is left of the simulated disk after a death.
#include <algorithm>

#include "base/hash.h"
#include "base/simulated_node.h"

namespace millrace {

namespace {
constexpr size_t kPageBytes = 4096;
constexpr size_t kSectorBytes = 512;
}  // namespace

uint64_t SimulatedFiles::random_below(uint64_t bound) {
  random_state_ += 0x9e3779b97f4a7c15ULL;
  return mix64(random_state_) % bound;
}

void SimulatedFiles::crash() {
  const std::lock_guard lock(mutex_);
  die();
}

void SimulatedFiles::power_cut(Survival survival) {
  const std::lock_guard lock(mutex_);
  die();
  recover(survival);
}

void SimulatedFiles::die() {
  ++generation_;
  down_ = true;
  locks_.clear();
  power_cut_at_.reset();
}

void SimulatedFiles::recover(Survival survival) {
  std::unordered_set<const Node*> seen;
  used_ = 0;
  recover_directory(*root_, survival, seen);
}

void SimulatedFiles::restart() {
  const std::lock_guard lock(mutex_);
  down_ = false;
}

bool SimulatedFiles::down() const {
  const std::lock_guard lock(mutex_);
  return down_;
}

void SimulatedFiles::recover_directory(Node& directory, Survival survival, std::unordered_set<const Node*>& seen) {
  if (survival == Survival::kSeeded) {
    const size_t count = directory.pending.size();
    directory.pending.resize(static_cast<size_t>(random_below(count + 1)));
  } else if (survival == Survival::kNothing) {
    directory.pending.clear();
  }
  directory.make_entries_durable();
  directory.entries = directory.durable_entries;
  for (const auto& [name, node] : directory.entries) {
    if (!seen.insert(node.get()).second) {  // a link, or both names of a rename that was half done
      ++node->names;
      continue;
    }
    node->names = 1;
    if (node->is_directory)
      recover_directory(*node, survival, seen);
    else
      recover_file(*node, survival);
  }
}

void SimulatedFiles::recover_file(Node& file, Survival survival) {
  const bool was_cut = file.clean < file.durable.size();
  const bool as_synced =
      survival == Survival::kNothing || (survival == Survival::kSeeded && was_cut && random_below(3) == 0);
  if (!as_synced) {
    const std::string tail = survival == Survival::kEverything ? file.unsynced_as_written() : surviving_tail(file);
    file.durable.resize(file.clean);
    file.durable.append(tail);
  }
  file.content = file.durable;
  file.clean = file.content.size();
  file.lost.clear();
  used_ += file.content.size();
}

std::string SimulatedFiles::surviving_tail(const Node& file) {
  std::string tail = file.unsynced_as_written();
  const uint64_t kind = random_below(4);
  if (kind == 0) return {};
  if (kind == 1) return tail;  // all of it, and whole: the lucky case, which hides missing syncs
  tail.resize(static_cast<size_t>(random_below(tail.size() + 1)));
  // The size reached the disk; each page of the tail may not have, or only its first sectors.
  const size_t end = file.clean + tail.size();
  for (size_t page = file.clean / kPageBytes * kPageBytes; page < end; page += kPageBytes) {
    if (random_below(4) != 0) continue;
    const size_t first_lost = page + static_cast<size_t>(random_below(kPageBytes / kSectorBytes)) * kSectorBytes;
    const size_t from = std::max(first_lost, file.clean);
    const size_t to = std::min(page + kPageBytes, end);
    if (from < to) std::fill_n(tail.begin() + static_cast<std::ptrdiff_t>(from - file.clean), to - from, '\0');
  }
  return tail;
}

}  // namespace millrace
