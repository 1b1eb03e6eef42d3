// Compactor: compacts the logs of tables that ask for it (docs/adr/0012-compaction.md) and the topics of views with a
// key, on a thread of its own. After
// each checkpoint it is told up to where nobody reads again; it works in pieces of about one segment.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "engine/node.h"
#include "engine/stream_source.h"

namespace millrace::engine {

struct NodeState;

class Compactor {
 public:
  explicit Compactor(NodeState& node) : node_(node) {}
  ~Compactor() { stop(); }

  /// The checkpoint that was just made holds all that was taken and counted. With the step lock. In simulation, where
  /// there is no thread, compacts now.
  void follow();
  void start();
  /// Ends the present piece and the thread. What was done stands.
  void stop();
  /// While this is held no files are replaced. Taken before any lock of the node.
  std::unique_lock<std::mutex> hold() { return std::unique_lock(pieces_mutex_); }
  CompactionStatus status() const;

 private:
  struct Job {
    std::string name;
    std::shared_ptr<log::Stream> stream;  // shared with the log
    PartitionId partition;
    Offset end;
    std::optional<StreamSource> source;  ///< of a table; of a view's topic: the records' keys say all
    std::vector<std::string> primary_key;
  };

  std::vector<Job> jobs_of_pipeline() const;
  void add_tables(std::vector<Job>& jobs) const;
  void add_topics(std::vector<Job>& jobs) const;
  void run();
  void compact(const Job& job);
  /// False when there was nothing to do.
  Result<bool> compact_once(const Job& job);

  NodeState& node_;
  std::mutex pieces_mutex_;  // held while a piece is compacted; taken before mutex_
  mutable std::mutex mutex_;
  std::vector<Job> jobs_;    // guarded by mutex_
  bool told_ = false;        // guarded by mutex_: there are new jobs
  CompactionStatus status_;  // guarded by mutex_
  std::condition_variable changed_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
};

}  // namespace millrace::engine
