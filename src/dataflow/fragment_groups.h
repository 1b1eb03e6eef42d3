// FragmentGroups: runs a fragment over many groups at once and tells their results apart; when DuckDB refuses (an
// overflow), it halves the groups until it has found those that fail.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/fragment.h"
#include "batch/row_codec.h"

namespace millrace::dataflow {

class FragmentGroups {
 public:
  /// Feeds the rows of group `group` (its place in the list): calls add(row bytes, count) for each, in order. The bytes
  /// must stay until run() returns.
  using Feed = std::function<void(size_t group, const std::function<void(std::string_view row, int64_t count)>& add)>;
  /// Row `row` of `results` belongs to `group`; the columns after the group number are the results.
  using Take = std::function<Status(size_t group, const batch::Batch& results, size_t row)>;
  /// The group's results cannot be computed.
  using Fail = std::function<Status(size_t group, std::string_view message)>;

  /// `rows` decodes what Feed gives into the fragment's input columns after the group number. When the fragment has one
  /// more column, that is the place of the row in its group (BIGINT).
  FragmentGroups(batch::Session& session, const batch::Fragment& fragment, const batch::RowCodec& rows)
      : session_(session),
        fragment_(fragment),
        rows_(rows),
        has_places_(fragment.input_types().size() == rows.types().size() + 2) {}

  Status run(size_t groups, const Feed& feed, const Take& take, const Fail& fail);

 private:
  Status run_range(size_t first, size_t last, const Feed& feed, const Take& take, const Fail& fail);
  Result<std::vector<batch::Batch>> input(size_t first, size_t last, const Feed& feed);

  batch::Session& session_;
  const batch::Fragment& fragment_;
  const batch::RowCodec& rows_;
  const bool has_places_;
};

}  // namespace millrace::dataflow
