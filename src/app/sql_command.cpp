#include "app/sql_command.h"

#include "app/answer.h"
#include "app/command_line.h"
#include "app/console.h"
#include "base/metrics.h"
#include "engine/node.h"

namespace millrace::app {
namespace {

int run_in_process(Env& env, const SqlFlags& flags, Format format) {
  Metrics metrics;
  engine::NodeOptions options;
  options.data_directory = flags.data;
  auto exists = env.files().exists(flags.data);
  if (!exists.ok()) return report_failure(exists.error());
  if (!*exists) return report_failure(user_error(sqlstate::kUndefinedFile, "there is no data directory " + flags.data));
  auto node = engine::Node::open(env, metrics, options);
  if (!node.ok()) return report_failure(node.error());
  auto result = (*node)->execute(flags.command);
  if (!result.ok()) return report_failure(result.error(), flags.command);
  Status written = write_output(format_answer(to_answer(*result), format, terminal_width(0)));
  if (!written.ok()) return report_failure(written.error());
  return kExitDone;
}

}  // namespace

int run_sql(Env& env, const SqlFlags& flags) {
  auto format = parse_format(flags.format);
  if (!format.ok()) return report_usage(format.error().message, format.error().hint);
  if (flags.data.empty() || flags.command.empty()) return report_usage("sql takes -c and --data");
  return run_in_process(env, flags, *format);
}

}  // namespace millrace::app
