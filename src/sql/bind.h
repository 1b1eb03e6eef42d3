// From the text of a SELECT to a dataflow plan, through DuckDB's parser, binder and optimizer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "batch/instance.h"
#include "plan/plan.h"
#include "sql/relation.h"

namespace millrace::sql {

struct ViewOptions {
  bool emit_on_window_close = false;
  Duration allowed_lateness;
  /// Names for the result's columns, when the view gives them.
  std::vector<std::string> column_names;
  /// The first id that the plan's operators may use.
  OperatorId first_operator;
  /// Where `query` starts in the text that errors point into.
  uint64_t text_offset = 0;
};

/// Registers our functions (relations, tumble, window bounds) in a new instance. Pass it to SqlInstance::open.
void register_functions(duckdb::Connection& connection);

/// Plans a materialized view. What cannot be maintained is refused with its position and what to write instead.
Result<plan::Plan> bind_view(batch::Session& session, const RelationResolver& relations, std::string_view query,
                             const ViewOptions& options);

/// Result of a pull query, whole.
struct QueryResult {
  batch::Schema schema;
  std::vector<batch::Batch> batches;
  size_t rows() const;
};

/// Runs a SELECT over committed rows. Fails with kTooLarge above `rows_max` rows.
Result<QueryResult> run_query(batch::Session& session, const RelationResolver& relations, std::string_view query,
                              uint64_t text_offset, uint64_t rows_max);

/// The types and names that a query would return, without running it.
Result<batch::Schema> describe_query(batch::Session& session, const RelationResolver& relations, std::string_view query,
                                     uint64_t text_offset);

/// A scalar expression over the columns of `schema`, cast to `type`: WATERMARK FOR's.
Result<batch::Expression> bind_scalar(batch::Session& session, const batch::Schema& schema, std::string_view expression,
                                      const batch::Type& type);

/// What the author of the plan should know: joins whose state grows for ever, and how to bound it.
std::vector<std::string> notices(const plan::Plan& plan);

/// EXPLAIN: the plan as an indented tree, one line a node: form (fast or general), keys, cost notes.
std::string explain(const plan::Plan& plan);

}  // namespace millrace::sql
