#include "app/savepoint_command.h"

#include "app/command_line.h"
#include "app/console.h"
#include "app/executor.h"
#include "app/json_text.h"
#include "base/metrics.h"
#include "base/text.h"
#include "engine/savepoint.h"

namespace millrace::app {
namespace {

Result<std::string> create_in(Env& env, const SavepointCreateFlags& flags) {
  Metrics metrics;
  MR_ASSIGN(std::unique_ptr<engine::Node> node, open_to_read(env, metrics, flags.data));
  MR_ASSIGN(engine::SavepointReceipt receipt, node->create_savepoint(flags.name));
  return receipt.path;
}

Result<std::string> ask_node(Env& env, const SavepointCreateFlags& flags) {
  MR_ASSIGN(std::unique_ptr<Remote> remote, Remote::open(env, flags.remote));
  std::string target = "/v1/savepoint";
  if (!flags.name.empty()) target += "?name=" + url_escape(flags.name);
  HttpRequest request{"POST", target, {}, "", false};
  MR_ASSIGN(HttpResponse response, remote->client().send(request));
  if (response.status != 200) return error_of(response);
  auto path = json_member(response.body, "path");
  if (!path) return external_error(sqlstate::kInternal, "the server's answer names no path: " + shorten(response.body));
  return json_unquoted(*path);
}

}  // namespace

int run_savepoint_create(Env& env, const SavepointCreateFlags& flags) {
  auto path = flags.data.empty() ? ask_node(env, flags) : create_in(env, flags);
  if (!path.ok()) return report_failure(path.error());
  Status printed = write_output(*path + "\n");
  return printed.ok() ? kExitDone : report_failure(printed.error());
}

int run_savepoint_restore(Env& env, const SavepointRestoreFlags& flags) {
  Status restored = engine::restore_savepoint(env, flags.savepoint, flags.data);
  if (!restored.ok()) return report_failure(restored.error());
  Status printed = write_output("restored; go on with: millrace start --data " + flags.data + "\n");
  return printed.ok() ? kExitDone : report_failure(printed.error());
}

}  // namespace millrace::app
