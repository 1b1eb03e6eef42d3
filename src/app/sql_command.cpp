#include "app/sql_command.h"

#include "app/answer.h"
#include "app/command_line.h"
#include "app/console.h"
#include "app/executor.h"
#include "app/shell.h"

namespace millrace::app {
namespace {

Result<std::unique_ptr<Executor>> open_executor(Env& env, const SqlFlags& flags) {
  if (!flags.data.empty()) return make_local_executor(env, flags.data);
  MR_ASSIGN(std::unique_ptr<Remote> remote, Remote::open(env, flags.remote));
  return make_remote_executor(std::move(remote));
}

}  // namespace

int run_sql(Env& env, const SqlFlags& flags) {
  auto format = parse_format(flags.format);
  if (!format.ok()) return report_usage(format.error().message, format.error().hint);
  auto executor = open_executor(env, flags);
  if (!executor.ok()) return report_failure(executor.error());
  if (flags.command.empty()) {
    Shell shell(**executor, *format);
    return input_is_terminal() ? shell.interact() : shell.run_input();
  }
  Status done = run_and_print(**executor, flags.command, *format, terminal_width(0));
  return done.ok() ? kExitDone : report_failure(done.error(), flags.command);
}

}  // namespace millrace::app
