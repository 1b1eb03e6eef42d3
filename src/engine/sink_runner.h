// SinkRunner: one sink on its own thread. It reads committed changes (or snapshots) and delivers them; what fails is
// tried again with a growing pause, and never holds back another sink.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "connectors/connector.h"
#include "engine/node_state.h"

namespace millrace::engine {

class SinkRunner {
 public:
  /// `object` is the sink's definition. Fails when mode, connector and view do not fit.
  static Result<std::shared_ptr<SinkRunner>> make(NodeState& node, const sql::CatalogObject& object);
  ~SinkRunner();

  const std::string& name() const { return name_; }
  void start();
  /// Delivers what is committed, then ends the thread.
  void stop();
  /// Delivers all that is committed now, on the calling thread.
  Status deliver_all();
  SinkStatus status() const;
  /// The changelog that it reads and up to where it has delivered; nothing for snapshots.
  std::optional<std::pair<StreamId, Offset>> delivered() const;

 private:
  SinkRunner(NodeState& node, const sql::CatalogObject& object)
      : node_(node), name_(object.name), source_(object.source) {}

  void run();
  /// Delivers what is committed; `final`: whatever the sink's own bounds on size, age and `every` say.
  Status deliver(bool final);
  Status deliver_snapshot(bool final);
  Status deliver_changes(bool final);
  Status commit_delivery(ledger::Recorder& recorder);
  Offset committed_end() const;

  NodeState& node_;
  std::string name_;
  std::string source_;
  connectors::SinkMode mode_ = connectors::SinkMode::kSnapshot;
  std::optional<Duration> every_;
  std::unique_ptr<connectors::Sink> sink_;
  batch::Schema view_schema_;
  std::shared_ptr<log::Stream> changelog_;
  ledger::HopId delivered_hop_ = 0;

  std::mutex deliver_mutex_;  // the thread, or deliver_all
  // Guarded by deliver_mutex_.
  bool open_ = false;
  Offset position_;
  ledger::Recorder undelivered_;  ///< written to the sink, not committed by it
  uint64_t snapshot_epoch_ = 0;
  Timestamp last_delivery_;

  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> rows_{0};
  std::atomic<uint64_t> lag_{0};
  std::atomic<int64_t> delivered_{0};
  mutable std::mutex state_mutex_;
  std::string state_ = "waiting";  // guarded by state_mutex_
};

/// An empty path is how a pipeline file says that a file sink is off.
bool is_off(const sql::CatalogObject& sink);
/// What CREATE SINK can refuse: mode, connector and view do not fit.
Status check_sink(NodeState& node, const sql::CatalogObject& sink);
/// Adds runners for created sinks and stops those of dropped ones.
Status follow_sinks(NodeState& node);

}  // namespace millrace::engine
