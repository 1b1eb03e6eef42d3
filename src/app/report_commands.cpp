#include "app/report_commands.h"

#include <functional>
#include <memory>

#include "app/command_line.h"
#include "app/console.h"
#include "app/executor.h"
#include "app/json_text.h"
#include "base/metrics.h"
#include "base/text.h"
#include "ledger/render.h"
#include "server/status_json.h"
#include "sql/lexer.h"

namespace millrace::app {
namespace {

Result<std::string> fetch(Env& env, const ReportFlags& flags, const char* target,
                          const std::function<std::string(engine::Node&)>& local) {
  if (flags.data.empty()) {
    MR_ASSIGN(std::unique_ptr<Remote> remote, Remote::open(env, flags.remote));
    return remote->get(target);
  }
  Metrics metrics;
  MR_ASSIGN(std::unique_ptr<engine::Node> node, open_to_read(env, metrics, flags.data));
  return local(*node);
}

Result<std::unique_ptr<Executor>> open_executor(Env& env, const ReportFlags& flags) {
  if (!flags.data.empty()) return make_local_executor(env, flags.data);
  MR_ASSIGN(std::unique_ptr<Remote> remote, Remote::open(env, flags.remote));
  return make_remote_executor(std::move(remote));
}

Status print_report(std::string_view json, Format format) {
  if (format == Format::kJson) return write_output(std::string(trim(json)) + "\n");
  MR_ASSIGN(std::string text, report_text(json, terminal_width(0)));
  return write_output(text);
}

std::string dead_name(std::string_view stream) { return sql::quote_name(std::string(stream) + "_dead"); }

/// The streams and tables of a node with the number of their dead letters; those without such a place are left out.
Result<Answer> count_dead(Executor& executor) {
  Answer counts{{{"stream", "VARCHAR"}, {"dead", "BIGINT"}}, {}, {}};
  for (const char* show : {"SHOW STREAMS", "SHOW TABLES", "SHOW SINKS"}) {
    MR_ASSIGN(Answer objects, executor.execute(show, {}));
    for (const auto& object : objects.rows) {
      auto count = executor.execute("SELECT count(*) FROM " + dead_name(json_unquoted(object.front())), {});
      if (!count.ok() && count.error().code == sqlstate::kUndefinedTable) continue;
      if (!count.ok()) return std::move(count).error();
      counts.rows.push_back({object.front(), count->rows.front().front()});
    }
  }
  return counts;
}

Status show_answer(Result<Answer> answer, Format format) {
  if (!answer.ok()) return std::move(answer).error();
  return write_output(format_answer(*answer, format, terminal_width(0)));
}

int finish(const Status& status, std::string_view text = {}) {
  return status.ok() ? kExitDone : report_failure(status.error(), text);
}

}  // namespace

namespace {

/// The JSON text of a cell: a list is its elements as one text.
Result<std::string> cell_of(std::string_view value) {
  if (!value.starts_with('[')) return std::string(value);
  MR_ASSIGN(auto elements, json_elements(value));
  std::string text;
  for (std::string_view element : elements) text += (text.empty() ? "" : ", ") + json_unquoted(element);
  return json_string(text);
}

}  // namespace

Result<Answer> answer_of_objects(std::string_view json_array) {
  Answer answer;
  MR_ASSIGN(auto elements, json_elements(json_array));
  for (std::string_view element : elements) {
    MR_ASSIGN(auto members, json_members(element));
    bool first = answer.columns.empty();
    auto& row = answer.rows.emplace_back();
    for (const auto& [name, value] : members) {
      bool number = is_digit(value.front()) || value.front() == '-';
      if (first) answer.columns.push_back({name, number ? "DOUBLE" : "VARCHAR"});
      MR_ASSIGN(std::string cell, cell_of(value));
      row.push_back(std::move(cell));
    }
    if (row.size() != answer.columns.size())
      return user_error(sqlstate::kInvalidText, "a report whose rows do not have the same members");
  }
  return answer;
}

Result<std::string> report_text(std::string_view json_object, size_t width) {
  MR_ASSIGN(auto members, json_members(json_object));
  std::string scalars;
  std::string tables;
  for (const auto& [name, value] : members) {
    if (!value.starts_with('[')) {
      if (value != "null") scalars += name + ": " + json_unquoted(value) + "\n";
      continue;
    }
    MR_ASSIGN(Answer table, answer_of_objects(value));
    tables += "\n" + name + (table.rows.empty() ? ": none\n" : "\n" + format_answer(table, Format::kTable, width));
  }
  return scalars + tables;
}

int run_status(Env& env, const ReportFlags& flags) {
  auto format = parse_format(flags.format);
  if (!format.ok()) return report_usage(format.error().message);
  auto json = fetch(env, flags, "/v1/status", [&env](engine::Node& node) {
    return server::status_json(node.status(), false, env.clock().now());
  });
  if (!json.ok()) return report_failure(json.error());
  return finish(print_report(*json, *format));
}

int run_ledger(Env& env, const ReportFlags& flags) {
  auto format = parse_format(flags.format);
  if (!format.ok()) return report_usage(format.error().message);
  auto json = fetch(env, flags, "/v1/ledger", [](engine::Node& node) { return ledger::to_json(node.ledger_report()); });
  if (!json.ok()) return report_failure(json.error());
  Status printed = print_report(*json, *format);
  if (!printed.ok()) return report_failure(printed.error());
  return json_member(*json, "closed") == "true" ? kExitDone : kExitFailed;
}

int run_dead_list(Env& env, const ReportFlags& flags) {
  auto format = parse_format(flags.format);
  if (!format.ok()) return report_usage(format.error().message);
  auto executor = open_executor(env, flags);
  if (!executor.ok()) return report_failure(executor.error());
  return finish(show_answer(count_dead(**executor), *format));
}

int run_dead_show(Env& env, const DeadShowFlags& flags) {
  auto format = parse_format(flags.report.format);
  if (!format.ok()) return report_usage(format.error().message);
  auto executor = open_executor(env, flags.report);
  if (!executor.ok()) return report_failure(executor.error());
  // A sink's have a payload, a stream's raw bytes.
  auto columns = (*executor)->execute("DESCRIBE " + dead_name(flags.stream), {});
  if (!columns.ok() && columns.error().code == sqlstate::kUndefinedTable) {
    return report_failure(
        user_error(sqlstate::kUndefinedTable,
                   "there is no stream, table or sink with dead letters named " + flags.stream)
            .with_hint(
                "`millrace dead list` names them; a view's late and failed rows are in VIEW_late and VIEW_error"));
  }
  if (!columns.ok()) return report_failure(columns.error());
  bool raw = !columns->rows.empty() && json_unquoted(columns->rows.back().front()) == "raw";
  std::string what = raw ? "* REPLACE (coalesce(try(decode(raw)), raw::VARCHAR) AS raw)" : "*";
  std::string query = "SELECT " + what + " FROM " + dead_name(flags.stream) + " LIMIT " + std::to_string(flags.limit);
  return finish(show_answer((*executor)->execute(query, {}), *format), query);
}

int run_dead_replay(Env& env, const DeadReplayFlags& flags) {
  auto remote = Remote::open(env, flags.remote);
  if (!remote.ok()) return report_failure(remote.error());
  HttpRequest request{"POST", "/v1/dead/" + url_escape(flags.sink), {}, "", false};
  auto response = (*remote)->client().send(request);
  if (!response.ok()) return report_failure(response.error());
  if (response->status != 200) return report_failure(error_of(*response));
  std::string text;
  for (const char* what : {"sent", "refused", "superseded"}) {
    text += std::string(text.empty() ? "" : ", ") + what + " " +
            std::string(json_member(response->body, what).value_or("?"));
  }
  Status printed = write_output(text + "\n");
  if (!printed.ok()) return report_failure(printed.error());
  return json_member(response->body, "refused") == "0" ? kExitDone : kExitFailed;
}

}  // namespace millrace::app
