// SinkRunner: one sink on its own thread. It reads committed changes (or snapshots) and delivers them; what fails is
// tried again with a growing pause, and never holds back another sink. Rows that the destination refuses are found by
// delivering fewer and fewer at a time; each becomes a dead letter, and the others are delivered.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "connectors/connector.h"
#include "engine/node_state.h"
#include "engine/sink_dead.h"

namespace millrace::engine {

/// The columns of changes_schema that a sink gets: of changes and upserts `_op` and `_commit` in front.
std::vector<uint32_t> sink_columns(connectors::SinkMode mode, size_t view_columns);

class SinkRunner {
 public:
  /// `object` is the sink's definition. Fails when mode, connector and view do not fit.
  static Result<std::shared_ptr<SinkRunner>> make(NodeState& node, const sql::CatalogObject& object);
  ~SinkRunner();

  const std::string& name() const { return name_; }
  void start();
  /// Delivers what is committed, then ends the thread. A destination that does not answer holds it up for some seconds.
  void stop();
  /// One round of what the thread does, on the calling thread, unless a pause after a failure lasts.
  void turn();
  /// Delivers all that is committed now, on the calling thread.
  Status deliver_all();
  /// Connects and looks whether the destination fits.
  Status check() { return sink_->check(); }
  /// At CREATE, with ddl_mutex held: the books learn of the changes that retention took before there was this sink.
  Status book_what_is_gone();
  /// Sends again what the destination refused and was not sent again since.
  Result<ReplayReceipt> replay_dead();
  SinkStatus status() const;
  /// The changelog that it reads and up to where it has delivered (or given up); nothing for snapshots.
  std::optional<std::pair<StreamId, Offset>> delivered() const;
  /// The changelog and from where on it must be kept: the rest is delivered and, by `written`, in the books.
  std::optional<std::pair<StreamId, Offset>> needed(
      const std::map<std::pair<StreamId, PartitionId>, Offset>& written) const;
  /// Enters what was delivered into the books, and in `written` up to where that is. With step_mutex held.
  void move_to(ledger::Ledger& ledger, std::map<std::pair<StreamId, PartitionId>, Offset>& written);

 private:
  SinkRunner(NodeState& node, const sql::CatalogObject& object)
      : node_(node), name_(object.name), source_(object.source), book_(object.stream) {
    state_.name = name_;
    state_.source = source_;
    state_.state = "waiting";
  }

  void run();
  /// Delivers, and notes how that went in state_ and pause_ms_.
  void round(bool final);
  int64_t random_pause_ms() const;
  /// Delivers what is committed; `final`: whatever the sink's own bounds on size, age and `every` say.
  Status deliver(bool final);
  Status deliver_snapshot(bool final);
  Status deliver_changes(bool final);
  Status deliver_once(bool final);
  Status open_sink();
  /// Rows that the destination holds and the books do not: a crash came before the commit that books them.
  Status book_delivered(Offset from, Offset to);
  Status count_rows(Offset from, Offset to, ledger::HopId hop, const std::set<int64_t>& dead);
  /// Up to where the rows of the changelog are delivered, dead or lost, by the books.
  Offset booked() const;
  /// Where to go on when the destination says `position`: behind what was given up.
  Result<Offset> begin_at(Offset position);
  /// After a failure: rows that waited longer than give_up_after are lost, and counted so.
  void let_go_what_is_too_old();
  /// Up to where. By the monotonic clock, since a wall clock that jumps must lose nothing; so a process begins anew.
  Offset waited_too_long();
  Status write_changes(const batch::Batch& rows, Offset first, Timestamp append_time);
  void add_offsets(ledger::HopId hop, Timestamp append_time, const std::vector<int64_t>& offsets);
  Status commit_delivery();
  /// Halves what is delivered at a time, or makes the one row a dead letter.
  Status after_refusal(const Error& error);
  Result<std::set<int64_t>> superseded(const std::vector<DeadLetter>& letters) const;
  /// One letter: true when the destination took it.
  Result<bool> send_again(const DeadLetter& letter);
  /// How a try of deliver() ended, for status().
  void note(const Status& status);
  Offset committed_end() const;
  uint64_t lag() const;

  NodeState& node_;
  std::string name_;
  std::string source_;
  connectors::SinkMode mode_ = connectors::SinkMode::kSnapshot;
  std::optional<Duration> every_;
  std::optional<Duration> give_up_after_;
  std::unique_ptr<connectors::Sink> sink_;
  batch::Schema view_schema_;
  std::shared_ptr<log::Stream> changelog_;
  ledger::HopId delivered_hop_ = 0;
  ledger::HopId dead_hop_ = 0;
  ledger::HopId lost_hop_ = 0;
  const StreamId book_;           ///< the sink's own id: in NodeState::written, up to where the books are
  std::vector<uint32_t> key_;     ///< of the view
  std::optional<SinkDead> dead_;  ///< nothing: a sink of an older directory

  std::mutex deliver_mutex_;  // the thread, or deliver_all
  // Guarded by deliver_mutex_.
  bool open_ = false;
  Offset position_;               ///< written to the sink up to here
  Offset attempted_;              ///< and maybe up to here
  ledger::Recorder undelivered_;  ///< written to the sink, not committed by it
  uint64_t undelivered_rows_ = 0;
  int64_t rows_max_ = 0;            ///< after a refusal: at most so many rows at a time; 0: no limit
  uint32_t refusals_ = 0;           ///< since the last dead letter
  std::set<int64_t> dead_offsets_;  ///< of rows at or behind the position
  Timestamp last_delivery_;
  /// After failures: what was committed, by when.
  struct Waiting {
    Duration since;
    Offset end;
  };
  std::deque<Waiting> waiting_;
  Offset given_up_to_;  ///< all before has waited too long

  // Of the thread, or of who calls turn().
  int64_t pause_ms_ = 0;  ///< after failures in a row; 0: none
  Duration next_round_;   ///< of turn(), by the monotonic clock

  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ended_{false};
  std::atomic<uint64_t> rows_{0};
  std::atomic<uint64_t> snapshot_epoch_{0};
  std::atomic<int64_t> delivered_{0};
  std::atomic<uint64_t> dead_waiting_{0};
  std::atomic<uint64_t> lost_{0};
  mutable std::mutex book_mutex_;
  std::vector<ledger::Recorder> unbooked_;  // guarded by book_mutex_: delivered, not in the ledger yet
  Offset unbooked_end_;                     // guarded by book_mutex_
  Offset given_up_;                         // guarded by book_mutex_: rows before it are not delivered any more
  mutable std::mutex state_mutex_;
  SinkStatus state_;  // guarded by state_mutex_; without what changes all the time
};

/// An empty path is how a pipeline file says that a file sink is off.
bool is_off(const sql::CatalogObject& sink);
/// What CREATE SINK can refuse: mode, connector and view do not fit.
Status check_sink(NodeState& node, const sql::CatalogObject& sink);
/// Adds runners for created sinks and stops those of dropped ones.
Status follow_sinks(NodeState& node);

}  // namespace millrace::engine
