// StoppedAt: the row at which a view WITH (on_error = 'stop') holds up the node's steps.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "batch/batch.h"

namespace millrace::engine {

struct StoppedAt {
  StreamId view_id;  ///< never used again: tells a view from a later one of its name
  std::string view;
  std::string stream;         ///< empty: the view comes from several
  batch::int128 order = 0;    ///< the row's order key; 0: it has none, as the row of a group
  std::string operator_text;  ///< "filter", "project", …
  std::string message;        ///< may quote the row
  std::string row;            ///< what the operator was given, as JSON

  /// Which view, operator and row, without anything of the row itself.
  std::string place() const;
  /// What a caller gets who waits for steps, and what the status says.
  Error error() const;
};

}  // namespace millrace::engine
