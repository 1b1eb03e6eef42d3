#include "app/executor.h"

#include <thread>

#include "app/change_printer.h"
#include "app/console.h"
#include "app/stop_signals.h"

namespace millrace::app {
namespace {

class RemoteExecutor final : public Executor {
 public:
  explicit RemoteExecutor(std::unique_ptr<Remote> remote) : remote_(std::move(remote)) {}
  Status check() override {
    MR_ASSIGN(std::string status, remote_->get("/v1/status"));
    return {};
  }
  Result<Answer> execute(std::string_view sql, const Remote::OnLine& on_line) override {
    return remote_->execute(sql, on_line);
  }
  void interrupt() override { remote_->client().interrupt(); }
  std::string where() const override { return "http://" + remote_->client().server().text(); }

 private:
  std::unique_ptr<Remote> remote_;
};

class LocalExecutor final : public Executor {
 public:
  LocalExecutor(std::unique_ptr<Metrics> metrics, std::unique_ptr<engine::Node> node, std::string data)
      : metrics_(std::move(metrics)), node_(std::move(node)), data_(std::move(data)) {}

  Status check() override { return {}; }
  Result<Answer> execute(std::string_view sql, const Remote::OnLine&) override {
    MR_ASSIGN(auto target, node_->subscription_target(sql));
    if (target) {
      return user_error(sqlstate::kNotSupported, "nothing changes in a data directory that no node runs")
          .with_hint("start it with `millrace start`, then ask it with --url");
    }
    MR_ASSIGN(engine::StatementResult result, node_->execute(sql));
    return to_answer(result);
  }
  void interrupt() override {}
  std::string where() const override { return data_; }

 private:
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<engine::Node> node_;
  std::string data_;
};

/// Calls interrupt() of an executor when SIGINT or SIGTERM comes, as long as it lives.
class InterruptOnSignal {
 public:
  explicit InterruptOnSignal(Executor& executor)
      : thread_([this, &executor] {
          while (wait_.wait()) executor.interrupt();
        }) {}
  ~InterruptOnSignal() {
    wait_.end();
    thread_.join();
  }

 private:
  StopSignalWait wait_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Executor> make_remote_executor(std::unique_ptr<Remote> remote) {
  return std::make_unique<RemoteExecutor>(std::move(remote));
}

Result<std::unique_ptr<engine::Node>> open_to_read(Env& env, Metrics& metrics, const std::string& data_directory) {
  MR_ASSIGN(bool exists, env.files().exists(data_directory + "/VERSION"));
  if (!exists) {
    return user_error(sqlstate::kUndefinedFile, "there is no data directory at " + data_directory)
        .with_hint("--data takes the directory that `millrace run` or `millrace start` was given");
  }
  engine::NodeOptions options;
  options.data_directory = data_directory;
  return engine::Node::open(env, metrics, std::move(options));
}

Result<std::unique_ptr<Executor>> make_local_executor(Env& env, const std::string& data_directory) {
  auto metrics = std::make_unique<Metrics>();
  MR_ASSIGN(std::unique_ptr<engine::Node> node, open_to_read(env, *metrics, data_directory));
  return std::unique_ptr<Executor>(
      std::make_unique<LocalExecutor>(std::move(metrics), std::move(node), data_directory));
}

Status run_and_print(Executor& executor, std::string_view sql, Format format, size_t width) {
  ChangePrinter printer(format);
  Result<Answer> answer = [&] {
    InterruptOnSignal watch(executor);
    return executor.execute(sql, [&](std::string_view line) { return printer.print(line); });
  }();
  if (!answer.ok()) {
    // A stream that the reader ended is a good end.
    if (answer.error().code == sqlstate::kCancelled && printer.streamed()) return {};
    return std::move(answer).error();
  }
  if (printer.streamed()) return {};
  return write_output(format_answer(*answer, format, width));
}

}  // namespace millrace::app
