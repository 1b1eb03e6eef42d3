// Flink's way of calling windows of time, TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)), as ours. Private
// to sql/.
#pragma once

#include <string>

namespace millrace::sql {

/// Rewrites all such calls in the text of a query, which keeps its length: positions in it stay true. TUMBLE, HOP,
/// CUMULATE and SESSION(TABLE t PARTITION BY k, …), whose arguments come in our order. What only looks like one is left
/// alone.
void rewrite_flink_windows(std::string& text);

}  // namespace millrace::sql
