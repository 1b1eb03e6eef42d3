#include "formats/json_keys.h"

#include "base/text.h"
#include "formats/json_walk.h"

namespace millrace::formats {
namespace {

// Whoever sends ever new keys must not fill the memory; such keys are compared one by one.
constexpr size_t kSlotsMax = 4096;
constexpr size_t kTokenBytesMax = 256;

}  // namespace

JsonKeys::JsonKeys(std::vector<std::string> names) : names_(std::move(names)), slots_(1) {}

bool JsonKeys::find_slowly(std::string_view token, uint32_t& index) {
  auto known = slot_of_.find(token);
  if (known != slot_of_.end()) {
    slots_[last_].next = known->second;
    last_ = known->second;
    index = slots_[last_].index;
    return true;
  }
  std::string name;
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') return false;
  if (!unescape_json(token.substr(1, token.size() - 2), name)) return false;
  index = index_of(name);
  if (slots_.size() >= kSlotsMax || token.size() > kTokenBytesMax) return true;
  auto slot = static_cast<uint32_t>(slots_.size());
  slots_.push_back({std::string(token), index, 0});
  slot_of_.emplace(token, slot);
  slots_[last_].next = slot;
  last_ = slot;
  return true;
}

uint32_t JsonKeys::index_of(std::string_view name) const {
  uint32_t folded = kUnknown;
  size_t fitting = 0;
  for (uint32_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == name) return i;
    if (!iequals(names_[i], name)) continue;
    ++fitting;
    folded = i;
  }
  return fitting == 1 ? folded : kUnknown;
}

}  // namespace millrace::formats
