#include "engine/safe_node.h"

#include "base/version.h"
#include "engine/node_state.h"
#include "engine/start_checks.h"

namespace millrace::engine {
namespace {

class SafeNode final : public Node {
 public:
  SafeNode(Env& env, Metrics& metrics, NodeOptions options, std::unique_ptr<FileLock> lock, std::string reason)
      : state_(env, metrics, std::move(options)) {
    state_.lock = std::move(lock);
    state_.safe_mode = std::move(reason);
    Status opened = open_to_read(state_);
    readable_ = opened.ok();
    if (!readable_) state_.safe_mode += " (nor can the streams be read: " + opened.error().message + ")";
  }
  ~SafeNode() override { (void)stop(); }

  Status apply_pipeline(std::string_view, const std::string&, const std::map<std::string, std::string>&) override {
    return {};  // what the directory holds is served as it is
  }
  Status start() override { return {}; }
  Status stop() override { return state_.log ? state_.log->close() : Status(); }

  Result<StatementResult> execute(std::string_view sql, CancelToken* cancel) override {
    MR_ASSIGN(std::vector<sql::Statement> statements, sql::parse_statements(sql));
    if (statements.empty()) return user_error(sqlstate::kSyntaxError, "there is no statement to run");
    StatementResult last;
    for (const sql::Statement& statement : statements) {
      if (!readable_ || !std::holds_alternative<sql::Select>(statement.body)) return refused();
      Result<StatementResult> result = execute_statement(state_, statement, cancel);
      if (!result.ok()) return lead_to_verify(std::move(result).error());
      last = std::move(result).value();
    }
    return last;
  }
  Result<std::optional<SubscriptionRequest>> subscription_target(std::string_view) override {
    return std::optional<SubscriptionRequest>();
  }
  Result<std::unique_ptr<Subscription>> subscribe(const SubscriptionRequest&) override { return refused(); }
  Result<AppendReceipt> append(std::string_view, const std::vector<std::string_view>&, const AppendRequest&) override {
    return refused();
  }
  Status declare(std::string_view, std::string_view, Timestamp, const ledger::IdSum&) override { return refused(); }
  Status sync() override { return refused(); }
  Status finish_bounded() override { return refused(); }
  Result<bool> turn() override { return refused(); }
  Result<ReplayReceipt> replay_dead(std::string_view) override { return refused(); }
  Result<SavepointReceipt> create_savepoint(std::string_view) override { return refused(); }

  NodeStatus status() override {
    NodeStatus status;
    status.version = kVersion;
    status.data_directory = state_.options.data_directory;
    status.safe_mode = state_.safe_mode;
    return status;
  }
  ledger::Report ledger_report() override { return {}; }

 private:
  Error refused() const {
    return external_error(sqlstate::kUnavailable, "the node is in safe mode: " + state_.safe_mode, Retry::kNever)
        .with_hint("it answers SELECT from streams, and GET /v1/status");
  }

  NodeState state_;
  bool readable_ = false;
};

}  // namespace

std::unique_ptr<Node> make_safe_node(Env& env, Metrics& metrics, NodeOptions options, std::unique_ptr<FileLock> lock,
                                     std::string reason) {
  return std::make_unique<SafeNode>(env, metrics, std::move(options), std::move(lock), std::move(reason));
}

}  // namespace millrace::engine
