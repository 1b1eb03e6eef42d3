// The commands that show how a node does: status, ledger, dead.
#pragma once

#include <string>

#include "app/answer.h"
#include "app/remote.h"
#include "base/env.h"

namespace millrace::app {

struct ReportFlags {
  RemoteFlags remote;
  std::string data;  ///< open this directory in this process instead of asking a server
  std::string format = "table";
};

int run_status(Env& env, const ReportFlags& flags);
/// Exit code 1 when the books are not closed.
int run_ledger(Env& env, const ReportFlags& flags);

/// How many dead letters each stream, table and sink has.
int run_dead_list(Env& env, const ReportFlags& flags);

struct DeadShowFlags {
  ReportFlags report;
  std::string stream;
  uint32_t limit = 20;
};
int run_dead_show(Env& env, const DeadShowFlags& flags);

struct DeadReplayFlags {
  RemoteFlags remote;
  std::string sink;
};
/// Sends the dead letters of a sink to its destination again. Exit code 1 when some were refused again.
int run_dead_replay(Env& env, const DeadReplayFlags& flags);

/// A JSON array of objects as a table: the members of the first are its columns.
Result<Answer> answer_of_objects(std::string_view json_array);
/// The text of a JSON report: its scalars as "name: value", then each array of objects as a table under its name.
Result<std::string> report_text(std::string_view json_object, size_t width);

}  // namespace millrace::app
