#include "base/simulated_node.h"

#include <algorithm>

namespace millrace {
namespace {

template <typename Entries, typename Change>
void apply_change(Entries& entries, const Change& change) {
  for (const auto& [name, node] : change) {
    if (node)
      entries[name] = node;
    else
      entries.erase(name);
  }
}

}  // namespace

void SimulatedFiles::Node::change(Change change) {
  apply_change(entries, change);
  pending.push_back(std::move(change));
}

void SimulatedFiles::Node::make_entries_durable() {
  for (const Change& change : pending) apply_change(durable_entries, change);
  pending.clear();
}

void SimulatedFiles::Node::cut(size_t size) {
  content.resize(size);
  clean = std::min(clean, size);
  std::erase_if(lost, [&](const auto& range) { return range.first >= size; });
  for (auto& range : lost) range.second = std::min(range.second, size);
}

std::string SimulatedFiles::Node::unsynced_as_written() const {
  std::string tail = content.substr(clean);
  for (const auto& [from, to] : lost) {
    const size_t first = std::max(from, clean);
    if (first < to)
      std::fill(tail.begin() + static_cast<std::ptrdiff_t>(first - clean),
                tail.begin() + static_cast<std::ptrdiff_t>(to - clean), '\0');
  }
  return tail;
}

void SimulatedFiles::Node::make_content_durable() {
  durable.resize(clean);
  durable.append(unsynced_as_written());
  clean = content.size();
  lost.clear();
}

void SimulatedFiles::Node::lose_unsynced() {
  if (clean < content.size()) lost.emplace_back(clean, content.size());
}

}  // namespace millrace
