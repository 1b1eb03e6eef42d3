// Graph: the operators of all views, joined, on all workers; it runs one step at a time.
//
// Views read streams, tables and one another: the graph is one DAG. On one worker a batch runs straight through. With
// several, every keyed operator's input passes an exchange: rows are cut by the hash of its key into the worker that
// owns their virtual node, and a step runs stage by stage with a barrier between: a stage ends where rows must move.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "batch/batch.h"
#include "dataflow/operator.h"
#include "plan/plan.h"

namespace millrace::dataflow {

/// A view to run: its name and plan. `plan` must outlive the graph.
struct ViewPlan {
  std::string name;
  const plan::Plan* plan;
};

/// Gives one worker's share of a step's source rows to the graph, batch by batch, already as the Source node's columns.
/// The engine implements it: decoding happens inside, on the worker's thread.
class SourceFeed {
 public:
  virtual ~SourceFeed() = default;
  /// Pushes all of this worker's rows of the step for this Source node of `view`.
  virtual Status feed(uint32_t worker, const std::string& view, const plan::Node& source, Output& out) = 0;
};

/// Takes the rows that a view emits in a step (the view's own columns only, hidden ones cut off).
class ViewSink {
 public:
  virtual ~ViewSink() = default;
  /// Called on worker threads; calls for different workers may overlap.
  virtual Status emit(uint32_t worker, const std::string& view, const batch::Batch& batch) = 0;
};

struct GraphOptions {
  uint32_t workers = 1;
};

class Graph {
 public:
  /// `views` in an order in which every view comes after the views it reads. `sessions`: one a worker.
  /// A view's Source node whose relation is another view in the list is fed from that view inside the step.
  static Result<std::unique_ptr<Graph>> build(
      std::vector<ViewPlan> views, const GraphOptions& options, std::vector<batch::Session*> sessions,
      std::function<SideOutput*(const std::string& view, uint32_t worker)> side);
  virtual ~Graph() = default;

  /// Runs one step: feeds all sources, moves watermarks (per relation with a watermark), finishes all operators.
  virtual Status step(SourceFeed& feed, const std::map<std::string, Timestamp>& watermarks, ViewSink& sink,
                      ThreadPool& pool) = 0;
  /// A step of one new view alone: all its Sources come from `feed`, those that read other views too, and views that
  /// read it get nothing.
  virtual Status backfill_step(const std::string& view, SourceFeed& feed,
                               const std::map<std::string, Timestamp>& watermarks, ViewSink& sink,
                               ThreadPool& pool) = 0;

  /// Tells the operators of all views but `left_out` how far the watermarks are, before the first step after a restore.
  virtual void advance(const std::map<std::string, Timestamp>& watermarks, const std::set<std::string>& left_out) = 0;
  /// The streams whose watermarks are the view's: the smallest of them counts.
  virtual std::set<std::string> watermarked_by(const std::string& view) const = 0;
  /// Whether a step without rows would do anything, were the watermarks there.
  virtual bool due_at(const std::map<std::string, Timestamp>& watermarks) const = 0;

  /// The next step emits rows of this view (empty: of any) without input: Operator::owes_rows().
  virtual bool owes_rows(const std::string& view) = 0;

  virtual std::vector<state::TableRef> tables() = 0;
  /// Puts a restored entry into the table of the worker that owns its virtual node.
  virtual Status restore(state::TableId id, const state::Entry& entry) = 0;

  /// For EXPLAIN ANALYZE: per view and node index, summed over workers.
  struct NodeReport {
    std::string view;
    uint32_t node_index;
    OperatorStats stats;
    uint64_t state_rows_read;
    uint64_t state_entries;
    uint64_t state_bytes;
  };
  virtual std::vector<NodeReport> report() const = 0;
};

}  // namespace millrace::dataflow
