// Connection: one session with a PostgreSQL server, over libpq. Every wait has a bound: that of the statement, or of
// connecting; and ends early when the owner says so. One thread, but for the flag.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"

struct pg_conn;
struct pg_result;

namespace millrace::connectors::postgres {

using Value = std::optional<std::string>;  ///< as text; nothing for NULL

/// What one statement gave.
struct Answer {
  std::vector<std::vector<Value>> rows;
  std::string tag;  ///< "COMMIT", "UPDATE 1"
};

struct ConnectionOptions {
  std::string url;
  Duration connect_timeout;
  Duration statement_timeout;
};

class Connection {
 public:
  /// `interrupted` ends all waits with kCancelled. It outlives the connection.
  static Result<std::unique_ptr<Connection>> open(Env& env, const ConnectionOptions& options,
                                                  const std::atomic<bool>& interrupted);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// One statement with $1, $2 …. The server's errors keep their SQLSTATE; a lost connection is kUnavailable.
  Result<Answer> query(const std::string& sql, const std::vector<Value>& parameters = {});
  Status execute(const std::string& sql);

  /// COPY … FROM STDIN: begin, then pieces, then finish, which says whether the server took them.
  Status begin_copy(const std::string& sql);
  Status copy(std::string_view piece);
  Status finish_copy();

  /// The session is there and in no transaction, as far as this side knows.
  bool is_idle() const;

 private:
  Connection(Env& env, Duration statement_timeout, const std::atomic<bool>& interrupted);
  Status connect(const ConnectionOptions& options);
  Status send(bool sent);
  Status flush(Duration deadline);
  /// Waits for the socket; kUnavailable when the time is over.
  Status wait(bool or_write, Duration deadline);
  Result<Answer> take_answer();
  Result<pg_result*> next_result(Duration deadline);
  Duration deadline_in(Duration time) const;
  Error lost(std::string_view what) const;

  Env& env_;
  const Duration statement_timeout_;
  const std::atomic<bool>& interrupted_;
  pg_conn* connection_ = nullptr;
};

/// The server refuses the rows themselves: a value out of range, a constraint.
bool is_about_data(const Error& error);
/// As PostgreSQL writes a name: always "in ""quotes""".
std::string quoted(std::string_view name);

}  // namespace millrace::connectors::postgres
