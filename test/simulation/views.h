// The views of a run: what is created, and the same over the oracle's rows.
#pragma once

#include <array>
#include <string_view>

namespace millrace::simulation {

struct ViewCase {
  std::string_view name;
  std::string_view query;   ///< of CREATE MATERIALIZED VIEW
  std::string_view oracle;  ///< empty: the same
};

/// The streams and the table that they read. `{}`: idle_timeout.
extern const std::string_view kStreams;
/// The first two are always made: sinks and views read them.
extern const std::array<ViewCase, 10> kViews;
/// How many rows belong to windows that are over or came late. `{}`: the watermark of `events`.
extern const std::string_view kRowsOfClosedWindows;

}  // namespace millrace::simulation
