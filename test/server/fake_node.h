// A node that keeps what it is sent in memory, and does what a test tells it to.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/node.h"

namespace millrace::server {

class FakeNode : public engine::Node {
 public:
  Status apply_pipeline(std::string_view, const std::string&, const std::map<std::string, std::string>&) override {
    return {};
  }
  Status start() override { return {}; }
  Status stop() override { return {}; }

  Result<engine::StatementResult> execute(std::string_view sql, CancelToken* cancel) override {
    if (on_cancellable) return on_cancellable(std::string(sql), *cancel);
    if (on_execute) return on_execute(std::string(sql));
    return engine::StatementResult{};
  }
  Result<std::optional<engine::SubscriptionRequest>> subscription_target(std::string_view sql) override {
    if (!sql.starts_with("SUBSCRIBE TO ")) return std::optional<engine::SubscriptionRequest>();
    return std::optional(engine::SubscriptionRequest{.view = std::string(sql.substr(13))});
  }
  Result<std::unique_ptr<engine::Subscription>> subscribe(const engine::SubscriptionRequest& request) override {
    if (request.view != "changes")
      return user_error(sqlstate::kUndefinedTable, "there is no view named " + request.view);
    return std::unique_ptr<engine::Subscription>(std::make_unique<FakeSubscription>(*this));
  }

  Result<engine::AppendReceipt> append(std::string_view stream, const std::vector<std::string_view>& records,
                                       const engine::AppendRequest& request) override {
    std::unique_lock lock(mutex_);
    ++appends_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    if (append_error) return *append_error;
    if (stream != "orders")
      return user_error(sqlstate::kUndefinedTable, "there is no stream named " + std::string(stream));
    last_request = request;
    engine::AppendReceipt receipt;
    auto first = static_cast<int64_t>(stored_.size());
    for (size_t i = 0; i < records.size(); ++i) {
      if (request.validate && records[i].find('{') != 0) {
        receipt.rejected.push_back({i + 1, "no object: \"" + std::string(records[i]) + "\""});
      } else {
        stored_.emplace_back(records[i]);
        ++receipt.accepted;
      }
    }
    if (receipt.accepted > 0) {
      receipt.positions.push_back({PartitionId(0), Offset(first), Offset(static_cast<int64_t>(stored_.size()) - 1)});
    }
    return receipt;
  }

  Status declare(std::string_view, std::string_view producer, Timestamp minute, const ledger::IdSum& sent) override {
    declared = {std::string(producer), minute, sent};
    return {};
  }
  Result<bool> turn() override { return false; }
  Result<engine::ReplayReceipt> replay_dead(std::string_view) override { return engine::ReplayReceipt{}; }
  Result<engine::SavepointReceipt> create_savepoint(std::string_view name) override {
    return engine::SavepointReceipt{"/data/savepoints/" + std::string(name), Epoch(7), 2, 1};
  }
  Status sync() override { return {}; }
  Status finish_bounded() override { return {}; }
  engine::NodeStatus status() override {
    const std::lock_guard lock(mutex_);
    return status_now;
  }
  ledger::Report ledger_report() override { return report_now; }

  /// Appends wait until let_go().
  void hold() { set_held(true); }
  void let_go() { set_held(false); }
  /// Waits until so many appends came.
  void wait_for_appends(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return appends_ >= count; });
  }
  std::vector<std::string> stored() {
    const std::lock_guard lock(mutex_);
    return stored_;
  }
  /// Subscribers get a row with this number.
  void emit(int32_t number) {
    const std::lock_guard lock(mutex_);
    changes_.push_back(number);
    changed_.notify_all();
  }
  void wait_for_subscriptions(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return subscriptions_ == count; });
  }

  // Set before the server starts, or between requests.
  std::function<Result<engine::StatementResult>(std::string)> on_execute;
  std::function<Result<engine::StatementResult>(std::string, CancelToken&)> on_cancellable;
  std::optional<Error> append_error;
  engine::AppendRequest last_request;
  engine::ProducerAccount declared;
  engine::NodeStatus status_now;
  ledger::Report report_now;

 private:
  class FakeSubscription : public engine::Subscription {
   public:
    explicit FakeSubscription(FakeNode& node) : node_(node) {
      schema_.fields = {{"number", batch::Type(batch::TypeId::kInteger)},
                        {"_op", batch::Type(batch::TypeId::kVarchar)}};
      change_count(+1);
    }
    ~FakeSubscription() override { change_count(-1); }
    const batch::Schema& schema() const override { return schema_; }
    Result<batch::Batch> next(Duration timeout) override {
      batch::Batch rows(schema_);
      std::unique_lock lock(node_.mutex_);
      node_.changed_.wait_for(lock, std::chrono::microseconds(timeout.micros),
                              [&] { return seen_ < node_.changes_.size(); });
      if (seen_ == node_.changes_.size()) return rows;
      rows.mutable_column(0).set<int32_t>(0, node_.changes_[seen_++]);
      rows.mutable_column(1).set_string(0, "+I");
      rows.set_rows(1);
      return rows;
    }

   private:
    void change_count(int by) {
      const std::lock_guard lock(node_.mutex_);
      node_.subscriptions_ += by;
      node_.changed_.notify_all();
    }

    FakeNode& node_;
    batch::Schema schema_;
    size_t seen_ = 0;
  };

  void set_held(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  bool held_ = false;
  size_t appends_ = 0;
  size_t subscriptions_ = 0;
  std::vector<std::string> stored_;
  std::vector<int32_t> changes_;
};

}  // namespace millrace::server
