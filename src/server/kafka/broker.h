// Broker: what the handlers of all connections share.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/metrics.h"
#include "engine/node.h"
#include "engine/raw_log.h"
#include "server/byte_budget.h"
#include "server/kafka/data_waiters.h"
#include "server/kafka/errors.h"
#include "server/kafka/groups.h"
#include "server/kafka/journal.h"
#include "server/kafka_server.h"
#include "server/workers.h"

namespace millrace::server::kafka {

/// The one broker of the cluster that clients see.
inline constexpr int32_t kNodeId = 1;
inline constexpr const char* kClusterId = "millrace";
inline constexpr size_t kOffsetMetadataBytesMax = 4096;  ///< of what a group notes beside an offset

class Broker {
 public:
  Broker(Env& env, Metrics& metrics, engine::Node& node, engine::RawLog& log, std::unique_ptr<Journal> journal,
         KafkaOptions options);

  Env& env() { return env_; }
  engine::Node& node() { return node_; }
  engine::RawLog& log() { return log_; }
  const KafkaOptions& options() const { return options_; }
  /// Null: nobody is asked who they are.
  const Users* users() const { return options_.users.get(); }
  ByteBudget& budget() { return budget_; }
  Workers& workers() { return workers_; }
  DataWaiters& waiters() { return waiters_; }
  Groups& groups() { return groups_; }
  Journal& journal() { return *journal_; }
  std::atomic<bool>& stopping() { return stopping_; }

  /// What time brings: waits that are over, members that fell silent. Called every few milliseconds.
  void tick();
  /// Nothing waits any more.
  void stop() {
    stopping_ = true;
    log_.watch({});
    waiters_.wake_all();
    groups_.stop();
  }

  /// Makes the topic, a stream of raw bytes, with these options of CREATE STREAM besides.
  Code create_topic(std::string_view name, int32_t partitions, std::string_view options = {},
                    std::string* message = nullptr);

  // Counters. Any thread.
  Gauge& connections;
  Counter& requests;
  Counter& received_bytes;
  Counter& produced_records;
  Counter& fetched_bytes;
  Counter& failed_logins;

 private:
  void expire_offsets();

  Env& env_;
  engine::Node& node_;
  engine::RawLog& log_;
  const KafkaOptions options_;
  std::atomic<bool> stopping_{false};
  ByteBudget budget_;
  DataWaiters waiters_;
  const std::unique_ptr<Journal> journal_;
  Groups groups_;
  Duration expires_at_;  ///< of the thread that ticks
  Workers workers_;  // last: its threads use all of the above
};

/// Kafka's rule for the names of topics.
bool valid_topic_name(std::string_view name);

}  // namespace millrace::server::kafka
