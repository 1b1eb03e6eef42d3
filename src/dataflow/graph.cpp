#include "dataflow/graph.h"

#include <algorithm>
#include <set>

#include "base/hash.h"
#include "dataflow/exchange.h"

namespace millrace::dataflow {
namespace {

constexpr int32_t kNoNode = -1;

/// From a node's output to one input of another. `exchange` is set when rows change workers on the way.
struct Edge {
  uint32_t to = 0;
  uint32_t port = 0;
  int32_t exchange = -1;
};

/// A plan node in the joined graph; its operators, one a worker, are in Worker::operators under the same index.
struct Vertex {
  uint32_t view = 0;
  uint32_t node_index = 0;
  const plan::Node* node = nullptr;
  uint32_t stage = 0;
  int32_t upstream_root = kNoNode;         ///< Source of another view: the vertex of that view's result
  std::vector<uint32_t> upstream_columns;  ///< and which of its columns
  std::vector<Edge> edges;
  bool is_root = false;
  std::set<std::string> streams;  ///< that its rows come from
  Duration behind;                ///< how far its input may lag behind their watermarks: joins bounded by time
  Duration output_behind;
};

struct Worker {
  std::vector<std::unique_ptr<Operator>> operators;  // null for Sources
  batch::Session* session = nullptr;
};

class GraphRun final : public Graph {
 public:
  GraphRun(std::vector<ViewPlan> views, const GraphOptions& options) : views_(std::move(views)), options_(options) {}

  Status connect();
  Status make_operators(const std::vector<batch::Session*>& sessions,
                        const std::function<SideOutput*(const std::string&, uint32_t)>& side);

  Status step(SourceFeed& feed, const std::map<std::string, Timestamp>& watermarks, ViewSink& sink,
              ThreadPool& pool) override {
    return run(nullptr, feed, watermarks, sink, pool);
  }
  Status backfill_step(const std::string& view, SourceFeed& feed, const std::map<std::string, Timestamp>& watermarks,
                       ViewSink& sink, ThreadPool& pool) override {
    return run(&view, feed, watermarks, sink, pool);
  }
  bool owes_rows(const std::string& view) override;
  void advance(const std::map<std::string, Timestamp>& watermarks, const std::set<std::string>& left_out) override {
    for (uint32_t worker = 0; worker < workers_.size(); ++worker) {
      for (uint32_t i = 0; i < vertices_.size(); ++i) {
        if (left_out.contains(views_[vertices_[i].view].name)) continue;
        if (workers_[worker].operators[i]) advance(worker, i, watermarks);
      }
    }
  }
  std::set<std::string> watermarked_by(const std::string& view) const override {
    const auto root = roots_.find(view);
    return root == roots_.end() ? std::set<std::string>() : vertices_[root->second].streams;
  }
  bool due_at(const std::map<std::string, Timestamp>& watermarks) const override;
  std::vector<state::TableRef> tables() override;
  Status restore(state::TableId id, const state::Entry& entry) override;
  std::vector<NodeReport> report() const override;

 private:
  /// Hands what a vertex emits on one worker to the vertex's edges and, when it is a view's result, to the sink.
  class Emitter final : public Output {
   public:
    Emitter(GraphRun& graph, uint32_t worker, uint32_t vertex) : graph_(graph), worker_(worker), vertex_(vertex) {}
    Status push(const batch::Batch& batch) override { return graph_.deliver(worker_, vertex_, batch); }

   private:
    GraphRun& graph_;
    uint32_t worker_;
    uint32_t vertex_;
  };

  Status add_view(uint32_t view);
  Status deliver(uint32_t worker, uint32_t vertex, const batch::Batch& batch);
  Status deliver_result(uint32_t worker, const Vertex& vertex, const batch::Batch& batch);
  Status push_into(uint32_t worker, const Edge& edge, const batch::Batch& batch);
  Status run(const std::string* only_view, SourceFeed& feed, const std::map<std::string, Timestamp>& watermarks,
             ViewSink& sink, ThreadPool& pool);
  Status feed_sources(uint32_t worker, const std::string* only_view, SourceFeed& feed);
  bool left_out(const Vertex& vertex) const { return only_view_ && views_[vertex.view].name != *only_view_; }
  Status run_stage(uint32_t worker, uint32_t stage, const std::map<std::string, Timestamp>& watermarks);
  Status drain(uint32_t worker, uint32_t stage);
  std::optional<Timestamp> watermark_of(uint32_t vertex, const std::map<std::string, Timestamp>& watermarks) const;
  void advance(uint32_t worker, uint32_t vertex, const std::map<std::string, Timestamp>& watermarks);

  std::vector<ViewPlan> views_;
  GraphOptions options_;
  std::vector<Vertex> vertices_;
  std::map<std::string, uint32_t> roots_;  // view name → vertex
  std::vector<std::pair<uint32_t, Edge>> exchanged_edges_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::map<state::TableId, uint32_t> table_vertex_;
  std::vector<Worker> workers_;
  uint32_t stages_ = 1;
  // During a step.
  ViewSink* sink_ = nullptr;
  const std::string* only_view_ = nullptr;  // null: all
};

Status GraphRun::add_view(uint32_t view) {
  const plan::Plan& plan = *views_[view].plan;
  auto base = static_cast<uint32_t>(vertices_.size());
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    const plan::Node& node = plan.nodes[i];
    Vertex vertex;
    vertex.view = view;
    vertex.node_index = i;
    vertex.node = &node;
    auto self = static_cast<uint32_t>(vertices_.size());
    auto connect_from = [&](uint32_t from, uint32_t port) {
      Edge edge{self, port, -1};
      bool moves = options_.workers > 1 && node.stateful();
      if (moves) {
        edge.exchange = static_cast<int32_t>(exchanges_.size());
        exchanges_.push_back(std::make_unique<Exchange>(options_.workers, vertices_[from].node->output.types(),
                                                        plan::exchange_columns(node, port)));
        exchanged_edges_.emplace_back(from, edge);
      }
      vertices_[from].edges.push_back(edge);
      vertex.stage = std::max(vertex.stage, vertices_[from].stage + (moves ? 1 : 0));
      // What a lookup finds is as it is: no time of it holds back the rows that ask.
      if (port == 1 && std::holds_alternative<plan::LookupJoin>(node.operation)) return;
      vertex.streams.insert(vertices_[from].streams.begin(), vertices_[from].streams.end());
      vertex.behind = std::max(vertex.behind, vertices_[from].output_behind);
    };
    if (const auto* source = std::get_if<plan::Source>(&node.operation)) {
      auto upstream = roots_.find(source->relation);
      if (upstream == roots_.end()) {
        vertex.streams.insert(source->relation);
      } else {
        vertex.upstream_root = static_cast<int32_t>(upstream->second);
        for (const auto& column : source->columns) vertex.upstream_columns.push_back(column.field);
        connect_from(upstream->second, 0);
      }
    } else {
      for (uint32_t port = 0; port < node.inputs.size(); ++port) connect_from(base + node.inputs[port], port);
    }
    vertex.output_behind = vertex.behind;
    if (const auto* join = std::get_if<plan::TimeJoin>(&node.operation))
      vertex.output_behind.micros += join->delay().micros;
    if (const auto* join = std::get_if<plan::TemporalJoin>(&node.operation))
      vertex.output_behind.micros += join->allowed_lateness.micros;
    stages_ = std::max(stages_, vertex.stage + 1);
    vertices_.push_back(std::move(vertex));
  }
  vertices_.back().is_root = true;
  roots_[views_[view].name] = static_cast<uint32_t>(vertices_.size() - 1);
  return {};
}

Status GraphRun::connect() {
  for (uint32_t view = 0; view < views_.size(); ++view) MR_TRY(add_view(view));
  return {};
}

Status GraphRun::make_operators(const std::vector<batch::Session*>& sessions,
                                const std::function<SideOutput*(const std::string&, uint32_t)>& side) {
  MR_CHECK(sessions.size() >= options_.workers, "one session a worker");
  for (uint32_t worker = 0; worker < options_.workers; ++worker) {
    Worker made;
    made.session = sessions[worker];
    for (uint32_t i = 0; i < vertices_.size(); ++i) {
      const Vertex& vertex = vertices_[i];
      if (std::holds_alternative<plan::Source>(vertex.node->operation)) {
        made.operators.push_back(nullptr);
        continue;
      }
      OperatorContext context{sessions[worker], side(views_[vertex.view].name, worker)};
      context.owns_global_group = owner_of(virtual_node_of(hash_bytes({})), options_.workers) == worker;
      std::vector<const plan::Node*> inputs;
      for (uint32_t input : vertex.node->inputs) inputs.push_back(&views_[vertex.view].plan->nodes[input]);
      MR_ASSIGN(std::unique_ptr<Operator> op, make_operator(*vertex.node, std::move(inputs), context));
      for (const state::TableRef& table : op->tables()) table_vertex_[table.id] = i;
      made.operators.push_back(std::move(op));
    }
    workers_.push_back(std::move(made));
  }
  return {};
}

Status GraphRun::deliver_result(uint32_t worker, const Vertex& vertex, const batch::Batch& batch) {
  const ViewPlan& view = views_[vertex.view];
  if (batch.columns() == view.plan->columns) return sink_->emit(worker, view.name, batch);
  std::vector<uint32_t> shown(view.plan->columns);
  for (uint32_t i = 0; i < shown.size(); ++i) shown[i] = i;
  return sink_->emit(worker, view.name, batch.project(shown));
}

Status GraphRun::deliver(uint32_t worker, uint32_t index, const batch::Batch& batch) {
  if (batch.empty()) return {};
  const Vertex& vertex = vertices_[index];
  if (vertex.is_root) MR_TRY(deliver_result(worker, vertex, batch));
  for (const Edge& edge : vertex.edges) {
    if (left_out(vertices_[edge.to])) continue;
    if (edge.exchange >= 0) {
      exchanges_[edge.exchange]->scatter(worker, batch);
    } else {
      MR_TRY(push_into(worker, edge, batch));
    }
  }
  return {};
}

Status GraphRun::push_into(uint32_t worker, const Edge& edge, const batch::Batch& batch) {
  Emitter out(*this, worker, edge.to);
  const Vertex& to = vertices_[edge.to];
  if (to.upstream_root != kNoNode) return out.push(batch.project(to.upstream_columns));
  Operator& op = *workers_[worker].operators[edge.to];
  op.stats.rows_in += batch.rows();
  return op.push(edge.port, batch, out);
}

Status GraphRun::drain(uint32_t worker, uint32_t stage) {
  for (const auto& [from, edge] : exchanged_edges_) {
    if (vertices_[edge.to].stage != stage) continue;
    for (batch::Batch& batch : exchanges_[edge.exchange]->take(worker)) MR_TRY(push_into(worker, edge, batch));
  }
  return {};
}

/// The smallest of the streams that it comes from; nothing when one of them has none.
std::optional<Timestamp> GraphRun::watermark_of(uint32_t vertex,
                                                const std::map<std::string, Timestamp>& watermarks) const {
  std::optional<Timestamp> smallest;
  for (const std::string& stream : vertices_[vertex].streams) {
    auto found = watermarks.find(stream);
    if (found == watermarks.end()) return std::nullopt;
    smallest = smallest ? std::min(*smallest, found->second) : found->second;
  }
  const bool can_lag = smallest && smallest->micros > INT64_MIN / 2 && smallest->micros < INT64_MAX / 8;
  if (can_lag) return *smallest - vertices_[vertex].behind;
  return smallest;
}

void GraphRun::advance(uint32_t worker, uint32_t vertex, const std::map<std::string, Timestamp>& watermarks) {
  std::optional<Timestamp> watermark = watermark_of(vertex, watermarks);
  if (watermark) workers_[worker].operators[vertex]->advance(*watermark);
}

bool GraphRun::due_at(const std::map<std::string, Timestamp>& watermarks) const {
  for (uint32_t i = 0; i < vertices_.size(); ++i) {
    std::optional<Timestamp> watermark = watermark_of(i, watermarks);
    for (const auto& worker : workers_) {
      if (watermark && worker.operators[i] && worker.operators[i]->due_at(*watermark)) return true;
    }
  }
  return false;
}

Status GraphRun::feed_sources(uint32_t worker, const std::string* only_view, SourceFeed& feed) {
  for (uint32_t i = 0; i < vertices_.size(); ++i) {
    const Vertex& vertex = vertices_[i];
    if (!std::holds_alternative<plan::Source>(vertex.node->operation)) continue;
    const std::string& view = views_[vertex.view].name;
    bool wanted = only_view ? view == *only_view : vertex.upstream_root == kNoNode;
    if (!wanted) continue;
    Emitter out(*this, worker, i);
    MR_TRY(feed.feed(worker, view, *vertex.node, out));
  }
  return {};
}

Status GraphRun::run_stage(uint32_t worker, uint32_t stage, const std::map<std::string, Timestamp>& watermarks) {
  MR_TRY(drain(worker, stage));
  for (uint32_t i = 0; i < vertices_.size(); ++i) {
    if (vertices_[i].stage != stage || !workers_[worker].operators[i] || left_out(vertices_[i])) continue;
    advance(worker, i, watermarks);
    Emitter out(*this, worker, i);
    MR_TRY(workers_[worker].operators[i]->finish(out));
  }
  return {};
}

Status GraphRun::run(const std::string* only_view, SourceFeed& feed, const std::map<std::string, Timestamp>& watermarks,
                     ViewSink& sink, ThreadPool& pool) {
  sink_ = &sink;
  only_view_ = only_view;
  Status status;
  for (uint32_t stage = 0; stage < stages_ && status.ok(); ++stage) {
    status = pool.run_on_all([&](size_t index) -> Status {
      auto worker = static_cast<uint32_t>(index);
      if (stage == 0) MR_TRY(feed_sources(worker, only_view, feed));
      return run_stage(worker, stage, watermarks);
    });
  }
  sink_ = nullptr;
  only_view_ = nullptr;
  return status;
}

bool GraphRun::owes_rows(const std::string& view) {
  for (Worker& worker : workers_) {
    for (uint32_t i = 0; i < vertices_.size(); ++i) {
      if (!view.empty() && views_[vertices_[i].view].name != view) continue;
      if (worker.operators[i] && worker.operators[i]->owes_rows()) return true;
    }
  }
  return false;
}

std::vector<state::TableRef> GraphRun::tables() {
  std::vector<state::TableRef> all;
  for (uint32_t worker = 0; worker < workers_.size(); ++worker) {
    for (auto& op : workers_[worker].operators) {
      if (!op) continue;
      for (const state::TableRef& table : op->tables()) all.push_back({table.id, table.table, worker});
    }
  }
  return all;
}

Status GraphRun::restore(state::TableId id, const state::Entry& entry) {
  auto found = table_vertex_.find(id);
  if (found == table_vertex_.end())
    return internal_error("a checkpoint holds state of operator " + std::to_string(id.op.value) +
                          ", which no view has");
  uint32_t worker = owner_of(virtual_node_of(entry.hash), options_.workers);
  for (const state::TableRef& table : workers_[worker].operators[found->second]->tables()) {
    if (table.id == id) return table.table->restore(entry);
  }
  return internal_error("an operator lost a table");
}

std::vector<Graph::NodeReport> GraphRun::report() const {
  std::vector<NodeReport> reports;
  for (uint32_t i = 0; i < vertices_.size(); ++i) {
    NodeReport report{views_[vertices_[i].view].name, vertices_[i].node_index, {}, 0, 0, 0};
    for (const Worker& worker : workers_) {
      if (!worker.operators[i]) continue;
      Operator& op = *worker.operators[i];
      report.stats.rows_in += op.stats.rows_in;
      report.stats.rows_out += op.stats.rows_out;
      report.stats.rows_filtered += op.stats.rows_filtered;
      report.stats.rows_failed += op.stats.rows_failed;
      report.stats.rows_late += op.stats.rows_late;
      report.stats.groups_touched += op.stats.groups_touched;
      for (const state::TableRef& table : op.tables()) {
        report.state_rows_read += table.table->rows_read;
        report.state_entries += table.table->entries();
        report.state_bytes += table.table->memory_bytes();
      }
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace

Result<std::unique_ptr<Graph>> Graph::build(std::vector<ViewPlan> views, const GraphOptions& options,
                                            std::vector<batch::Session*> sessions,
                                            std::function<SideOutput*(const std::string&, uint32_t)> side) {
  auto graph = std::make_unique<GraphRun>(std::move(views), options);
  MR_TRY(graph->connect());
  MR_TRY(graph->make_operators(sessions, side));
  return std::unique_ptr<Graph>(std::move(graph));
}

}  // namespace millrace::dataflow
