// Executor: where `sql` and the other asking commands run their SQL: a server, or a data directory opened in this
// process.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "app/answer.h"
#include "app/remote.h"
#include "base/env.h"
#include "base/metrics.h"

namespace millrace::app {

class Executor {
 public:
  virtual ~Executor() = default;
  /// Whether it can be asked: that a server is there and takes our token.
  virtual Status check() = 0;
  /// Runs SQL; see Remote::execute for streamed answers.
  virtual Result<Answer> execute(std::string_view sql, const Remote::OnLine& on_line) = 0;
  /// Ends the statement under way, if it can be ended; from another thread.
  virtual void interrupt() = 0;
  virtual std::string where() const = 0;
};

std::unique_ptr<Executor> make_remote_executor(std::unique_ptr<Remote> remote);
/// Opens the directory without running its pipeline: reads what is committed. Fails when a node runs on it.
Result<std::unique_ptr<Executor>> make_local_executor(Env& env, const std::string& data_directory);

/// Opens a data directory that exists, to read it.
Result<std::unique_ptr<engine::Node>> open_to_read(Env& env, Metrics& metrics, const std::string& data_directory);

/// Runs SQL, prints its answer in `format` as it comes, and hears SIGINT meanwhile. `width`: of the terminal.
Status run_and_print(Executor& executor, std::string_view sql, Format format, size_t width);

}  // namespace millrace::app
