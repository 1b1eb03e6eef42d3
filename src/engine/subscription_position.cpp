#include "engine/subscription_position.h"

#include <charconv>

#include "base/text.h"
#include "engine/changelog.h"

namespace millrace::engine {
namespace {

struct Position {
  uint64_t view = 0;
  uint64_t commit = 0;
  uint64_t row = 0;
};

std::optional<uint64_t> number_of(std::string_view digits) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number > INT64_MAX) return std::nullopt;
  return number;
}

std::optional<Position> parse_position(std::string_view text) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const size_t dash = std::min(text.find('-', dot), text.size());
  const std::optional<uint64_t> view = number_of(text.substr(0, dot));
  const std::optional<uint64_t> commit = number_of(text.substr(dot + 1, dash - dot - 1));
  const std::optional<uint64_t> row = dash == text.size() ? 0 : number_of(text.substr(dash + 1));
  if (!view || !commit || !row) return std::nullopt;
  return Position{*view, *commit, *row};
}

/// A changelog, by commits.
class Commits {
 public:
  Commits(const PipelineView& view, Offset end)
      : schema_(view.store->schema()),
        partition_(view.changelog->partition(PartitionId(0))),
        begin_(partition_.begin_offset()),
        end_(end) {}

  Offset begin() const { return begin_; }
  Offset end() const { return end_; }

  Result<uint64_t> commit_at(Offset offset) const {
    ChangelogReader reader(partition_, schema_, offset);
    batch::Batch row(changes_schema(schema_));
    MR_TRY(reader.next(offset.next(), row));
    if (row.empty()) return internal_error("a changelog has a hole");
    return row.column(schema_.size() + 1).at<uint64_t>(0);
  }
  /// The first row whose commit is `commit` or later.
  Result<Offset> first_of(uint64_t commit) const {
    int64_t low = begin_.value;
    int64_t high = end_.value;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      MR_ASSIGN(uint64_t found, commit_at(Offset(middle)));
      if (found < commit) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return Offset(low);
  }

 private:
  batch::Schema schema_;
  log::Partition& partition_;
  Offset begin_;
  Offset end_;
};

Error not_kept(const PipelineView& view) {
  return user_error(sqlstate::kUnavailable, "the changes of " + view.name + " behind this position are no longer kept")
      .with_hint("subscribe FROM BEGINNING; the view's retention says how long changes are kept");
}

/// Nothing behind the position was deleted. What retention deleted were the oldest rows.
Status check_kept(const Commits& commits, const Position& at, const PipelineView& view, Epoch now) {
  if (commits.begin() == Offset(0) || at.commit >= now.value) return {};
  if (commits.begin() >= commits.end()) return not_kept(view);
  MR_ASSIGN(uint64_t first, commits.commit_at(commits.begin()));
  const bool kept = first < at.commit || (first == at.commit && at.row == 0);
  return kept ? Status() : Status(not_kept(view));
}

}  // namespace

std::string position_text(StreamId view, Epoch commit, uint64_t row) {
  std::string text = std::to_string(view.value) + "." + std::to_string(commit.value);
  return row == 0 ? text : text + "-" + std::to_string(row);
}

Result<ChangelogPlace> place_behind(NodeState& node, const PipelineView& view, std::string_view text) {
  std::optional<Position> at = parse_position(text);
  if (!at) {
    return user_error(sqlstate::kInvalidParameter, "this is not a position: " + shorten(std::string(text)))
        .with_hint("a position is the text in _position of a row that came before");
  }
  if (at->view != view.id.value || at->commit > node.epoch.value) {
    return user_error(sqlstate::kInvalidParameter,
                      "this is not a position of " + view.name + " as it is now: " + std::string(text))
        .with_hint("the view was made anew since, or it is another one; subscribe FROM BEGINNING");
  }
  auto committed = node.committed_ends.find({view.id, PartitionId(0)});
  Commits commits(view, committed == node.committed_ends.end() ? Offset(0) : committed->second);
  MR_TRY(check_kept(commits, *at, view, node.epoch));
  if (at->row == 0) {
    MR_ASSIGN(Offset next, commits.first_of(at->commit + 1));
    return ChangelogPlace{next, {}, 0};
  }
  MR_ASSIGN(Offset first, commits.first_of(at->commit));
  const Offset last(first.value + static_cast<int64_t>(at->row) - 1);
  if (last >= commits.end()) return not_kept(view);
  MR_ASSIGN(uint64_t commit, commits.commit_at(last));
  if (commit != at->commit) return not_kept(view);
  return ChangelogPlace{last.next(), Epoch(at->commit), at->row};
}

}  // namespace millrace::engine
