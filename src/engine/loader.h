// Loader: brings the bounded inputs of streams and tables (WITH (load = …), connector = 'file', generators) into their
// logs, once for each data directory. A second try after a crash appends nothing twice: chunks are cut the same way
// every time and each is marked, so the log knows those that it has.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "connectors/source.h"
#include "engine/node_state.h"

namespace millrace::engine {

class Loader {
 public:
  explicit Loader(NodeState& node) : node_(node) {}
  ~Loader() { stop(); }

  /// Reads which loads are done.
  Status open();
  /// Notes the loads that the catalog wants now. Starts the thread when the node runs.
  void follow();
  void start();
  void stop();
  /// Waits until all loads are done (or does them, when there is no thread). The first failure, if any.
  Status finish();
  std::vector<LoadStatus> status() const;

 private:
  struct Job {
    std::string stream;  ///< catalog name
    StreamId id;
    LoadStatus status;
    std::optional<Error> failure;
  };

  void run();
  Status load(Job& job);
  Status append_chunk(const sql::CatalogObject& object, const std::string& mark, const connectors::RecordChunk& chunk);
  Status remember(StreamId id);

  NodeState& node_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Job>> jobs_;  // guarded by mutex_; a job's status too
  std::set<uint32_t> done_;                 // guarded by mutex_
  std::condition_variable changed_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
};

}  // namespace millrace::engine
