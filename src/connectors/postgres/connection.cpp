#include "connectors/postgres/connection.h"

#include <libpq-fe.h>

#include <algorithm>

#include "base/socket_wait.h"
#include "base/text.h"

namespace millrace::connectors::postgres {
namespace {

constexpr Duration kSlice = Duration::from_millis(100);  // how soon an interruption is seen
constexpr const char* kConnectionFailure = "08006";

/// On one line, without the end.
std::string one_line(const char* text) {
  std::string line;
  for (const char* c = text ? text : ""; *c; ++c) {
    bool space = is_space(*c);
    if (space && (line.empty() || line.back() == ' ')) continue;
    line.push_back(space ? ' ' : *c);
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

Error error_of(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
  std::string code = state ? state : kConnectionFailure;
  std::string message = "PostgreSQL: " + one_line(primary ? primary : PQresultErrorMessage(result));
  if (detail) message += ": " + one_line(detail);
  bool transient = false;
  for (std::string_view group : {"08", "40", "53", "55", "57", "58"}) transient |= code.starts_with(group);
  if (transient) return external_error(std::move(code), std::move(message), Retry::kBackoff);
  return user_error(std::move(code), std::move(message));
}

}  // namespace

bool is_about_data(const Error& error) { return error.code.starts_with("22") || error.code.starts_with("23"); }

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out.append(c == '"' ? 2 : 1, c);
  out.push_back('"');
  return out;
}

Connection::Connection(Env& env, Duration statement_timeout, const std::atomic<bool>& interrupted)
    : env_(env), statement_timeout_(statement_timeout), interrupted_(interrupted) {}

Connection::~Connection() {
  if (connection_) PQfinish(connection_);
}

Result<std::unique_ptr<Connection>> Connection::open(Env& env, const ConnectionOptions& options,
                                                     const std::atomic<bool>& interrupted) {
  std::unique_ptr<Connection> connection(new Connection(env, options.statement_timeout, interrupted));
  MR_TRY(connection->connect(options));
  MR_TRY(connection->execute("SET statement_timeout = " + std::to_string(options.statement_timeout.micros / 1000)));
  MR_TRY(connection->execute("SET timezone = 'UTC'"));
  MR_TRY(connection->execute("SET datestyle = 'ISO, YMD'"));
  MR_TRY(connection->execute("SET standard_conforming_strings = on"));
  return connection;
}

Status Connection::connect(const ConnectionOptions& options) {
  static constexpr const char* kNames[] = {"dbname", "client_encoding", "fallback_application_name", nullptr};
  const char* values[] = {options.url.c_str(), "UTF8", "millrace", nullptr};
  Duration deadline = deadline_in(options.connect_timeout);
  connection_ = PQconnectStartParams(kNames, values, 1);
  if (!connection_) return internal_error("libpq has no memory for a connection");
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED || PQstatus(connection_) == CONNECTION_BAD) return lost("connect");
    MR_TRY(wait(state == PGRES_POLLING_WRITING, deadline));
    state = PQconnectPoll(connection_);
  }
  PQsetnonblocking(connection_, 1);
  // Notices go nowhere: nobody reads the standard error of a node for them.
  PQsetNoticeReceiver(
      connection_, [](void*, const PGresult*) {}, nullptr);
  return {};
}

Duration Connection::deadline_in(Duration time) const {
  return Duration{env_.clock().monotonic().micros + time.micros};
}

Error Connection::lost(std::string_view what) const {
  std::string said = one_line(PQerrorMessage(connection_));
  return external_error(kConnectionFailure,
                        "PostgreSQL: " + std::string(what) + ": " + (said.empty() ? "the connection is gone" : said),
                        Retry::kBackoff);
}

Status Connection::wait(bool or_write, Duration deadline) {
  while (true) {
    if (interrupted_) return user_error(sqlstate::kCancelled, "PostgreSQL: the node is stopping");
    int64_t left = deadline.micros - env_.clock().monotonic().micros;
    if (left <= 0) {
      return external_error(kConnectionFailure, "PostgreSQL: the server did not answer in time", Retry::kBackoff);
    }
    MR_ASSIGN(bool ready, wait_for_socket(PQsocket(connection_), or_write, Duration{std::min(left, kSlice.micros)}));
    if (ready) return {};
  }
}

Status Connection::flush(Duration deadline) {
  while (true) {
    int left = PQflush(connection_);
    if (left < 0) return lost("send");
    if (left == 0) return {};
    MR_TRY(wait(true, deadline));
    // What the server sends meanwhile is taken, or both sides would wait for each other.
    if (!PQconsumeInput(connection_)) return lost("receive");
  }
}

Status Connection::send(bool sent) {
  if (!sent) return lost("send");
  return flush(deadline_in(statement_timeout_));
}

Result<PGresult*> Connection::next_result(Duration deadline) {
  while (PQisBusy(connection_)) {
    MR_TRY(wait(false, deadline));
    if (!PQconsumeInput(connection_)) return lost("receive");
  }
  return PQgetResult(connection_);
}

/// Takes all results of the statement that was sent; the first error counts.
Result<Answer> Connection::take_answer() {
  // The server's own limit ends a slow statement first; this one is for a server that is gone or hangs.
  Duration deadline = deadline_in(Duration{statement_timeout_.micros + 2000000});
  Answer answer;
  std::optional<Error> failed;
  while (true) {
    MR_ASSIGN(PGresult * result, next_result(deadline));
    if (!result) break;
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK) {
      for (int row = 0; row < PQntuples(result); ++row) {
        auto& values = answer.rows.emplace_back();
        for (int column = 0; column < PQnfields(result); ++column) {
          if (PQgetisnull(result, row, column))
            values.emplace_back();
          else
            values.emplace_back(PQgetvalue(result, row, column));
        }
      }
    } else if (status != PGRES_COMMAND_OK && status != PGRES_COPY_IN && !failed) {
      failed = error_of(result);
    }
    answer.tag = PQcmdStatus(result);
    PQclear(result);
    if (status == PGRES_COPY_IN) break;
  }
  if (failed) return *std::move(failed);
  if (PQstatus(connection_) == CONNECTION_BAD) return lost("receive");
  return answer;
}

Result<Answer> Connection::query(const std::string& sql, const std::vector<Value>& parameters) {
  std::vector<const char*> values;
  for (const Value& value : parameters) values.push_back(value ? value->c_str() : nullptr);
  MR_TRY(send(PQsendQueryParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(),
                                nullptr, nullptr, 0) == 1));
  return take_answer();
}

Status Connection::execute(const std::string& sql) {
  MR_ASSIGN(Answer answer, query(sql));
  (void)answer;
  return {};
}

Status Connection::begin_copy(const std::string& sql) {
  MR_TRY(send(PQsendQuery(connection_, sql.c_str()) == 1));
  MR_ASSIGN(Answer answer, take_answer());
  (void)answer;
  return {};
}

Status Connection::copy(std::string_view piece) {
  if (PQputCopyData(connection_, piece.data(), static_cast<int>(piece.size())) != 1) return lost("send");
  return flush(deadline_in(statement_timeout_));
}

Status Connection::finish_copy() {
  MR_TRY(send(PQputCopyEnd(connection_, nullptr) == 1));
  MR_ASSIGN(Answer answer, take_answer());
  (void)answer;
  return {};
}

bool Connection::is_idle() const {
  return PQstatus(connection_) == CONNECTION_OK && PQtransactionStatus(connection_) == PQTRANS_IDLE;
}

}  // namespace millrace::connectors::postgres
