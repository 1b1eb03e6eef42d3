#include "sql/suggest.h"

#include <algorithm>

#include "base/text.h"

namespace millrace::sql {
namespace {

constexpr size_t kComparedLengthMax = 64;

/// Optimal string alignment distance (Damerau–Levenshtein without overlapping swaps).
size_t typing_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> two_back(b.size() + 1), one_back(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) one_back[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = one_back[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({one_back[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], two_back[j - 2] + 1);
    }
    std::swap(two_back, one_back);
    std::swap(one_back, row);
  }
  return one_back[b.size()];
}

}  // namespace

std::optional<std::string> closest_name(std::string_view name, const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  if (name.size() > kComparedLengthMax) return best;
  std::string folded = to_lower_ascii(name);
  size_t best_distance = std::max<size_t>(1, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kComparedLengthMax) continue;
    size_t distance = typing_distance(folded, to_lower_ascii(candidate));
    if (distance >= best_distance || distance >= candidate.size()) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  std::optional<std::string> found = closest_name(name, candidates);
  return found ? "did you mean " + *found + "?" : std::string();
}

std::string enumerate(const std::vector<std::string>& names, std::string_view last_separator) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? last_separator : std::string_view(", ");
    text += names[i];
  }
  return text;
}

}  // namespace millrace::sql
