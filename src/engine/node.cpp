#include "engine/node.h"

#include "base/process_memory.h"
#include "base/text.h"
#include "base/version.h"
#include "engine/changelog.h"
#include "engine/compactor.h"
#include "engine/last_known.h"
#include "engine/loader.h"
#include "engine/node_state.h"
#include "engine/safe_node.h"
#include "engine/sink_runner.h"
#include "engine/start_checks.h"
#include "engine/subscriptions.h"
#include "sql/variables.h"

namespace millrace::engine {

NodeState::NodeState(Env& env, Metrics& metrics, NodeOptions options)
    : env(env),
      metrics(metrics),
      step_times(metrics.histogram("millrace_step_seconds", "Steps, their commits and due checkpoints included", {},
                                   Unit::kSeconds)),
      options(std::move(options)),
      space(env, this->options.data_directory, this->options.low_space_bytes) {}
NodeState::~NodeState() = default;

namespace {

Status leading(Status status) { return status.ok() ? status : Status(lead_to_verify(std::move(status).error())); }

class RunningNode final : public Node {
 public:
  RunningNode(Env& env, Metrics& metrics, NodeOptions options) : state_(env, metrics, std::move(options)) {
    state_.loader = std::make_unique<Loader>(state_);
    state_.compactor = std::make_unique<Compactor>(state_);
  }
  ~RunningNode() override { (void)stop(); }

  Status open() {
    Status opened = open_directory(state_);
    if (opened.ok() && !state_.safe_mode.empty()) return {};
    if (opened.ok()) opened = recover(state_);
    if (opened.ok()) opened = state_.loader->open();
    if (opened.ok()) return opened;
    if (state_.starts) (void)state_.starts->fail(opened.error());
    return lead_to_verify(std::move(opened).error());
  }
  const std::string& safe_mode() const { return state_.safe_mode; }
  std::unique_ptr<FileLock> give_lock() { return std::move(state_.lock); }

  Status apply_pipeline(std::string_view text, const std::string& base_directory,
                        const std::map<std::string, std::string>& variables) override;
  Status start() override;
  Status stop() override;
  using Node::execute;
  Result<StatementResult> execute(std::string_view sql, CancelToken* cancel) override;
  Result<std::optional<SubscriptionRequest>> subscription_target(std::string_view sql) override {
    return subscription_request(sql);
  }
  Result<std::unique_ptr<Subscription>> subscribe(const SubscriptionRequest& request) override {
    return open_subscription(state_, request);
  }
  Result<AppendReceipt> append(std::string_view stream, const std::vector<std::string_view>& records,
                               const AppendRequest& request) override {
    return append_records(state_, stream, records, request);
  }
  void append_async(std::string_view stream, const std::vector<std::string_view>& records, const AppendRequest& request,
                    std::function<void(Result<AppendReceipt>)> done) override {
    append_records_async(state_, stream, records, request, std::move(done));
  }
  Status declare(std::string_view stream, std::string_view producer, Timestamp minute,
                 const ledger::IdSum& sent) override {
    return declare_sent(state_, stream, producer, minute, sent);
  }
  RawLog* raw_log() override { return raw_log_.get(); }
  Status sync() override { return leading(wait_for_catch_up(state_)); }
  Status finish_bounded() override;
  Result<bool> turn() override { return take_turn(state_); }
  Result<ReplayReceipt> replay_dead(std::string_view sink) override;
  Result<SavepointReceipt> create_savepoint(std::string_view name) override {
    return engine::create_savepoint(state_, name);
  }
  NodeStatus status() override;
  ledger::Report ledger_report() override;

 private:
  std::vector<StreamStatus> stream_status();
  std::vector<ViewStatus> view_status();
  NodeStatus counted_status();
  void add_present(NodeStatus& status);

  NodeState state_;
  std::unique_ptr<RawLog> raw_log_ = make_raw_log(state_);
  bool stopped_ = false;

  FairMutex looks_mutex_;  // before all of NodeState's
  LastKnown<NodeStatus> last_status_;
  LastKnown<ledger::Report> last_report_;
};

Status RunningNode::apply_pipeline(std::string_view text, const std::string& base_directory,
                                   const std::map<std::string, std::string>& variables) {
  MR_TRY(set_base_directory(state_, base_directory));
  sql::Variables values;
  for (const auto& [name, value] : variables) values[name] = value;
  MR_ASSIGN(sql::SubstitutedText substituted, sql::substitute_variables(text, values));
  auto original = [&](Error error) { return substituted.positions.original(std::move(error)); };
  auto statements = sql::parse_statements(substituted.text);
  if (!statements.ok()) return original(std::move(statements).error());
  for (const sql::Statement& statement : *statements) {
    auto result = execute_statement(state_, statement);
    if (!result.ok()) return original(std::move(result).error());
  }
  MR_TRY(follow_sinks(state_));
  state_.loader->follow();
  return {};
}

Status RunningNode::start() {
  MR_TRY(state_.starts->ready());
  if (Status first = give_first_rows(state_); !first.ok() && !stopped_at(state_)) {
    note_failure(state_, first.error());  // the step thread deals with it
  }
  state_.ready = true;
  (void)counted_status();  // known, should the disk hang before anybody asks
  MR_TRY(follow_sinks(state_));
  state_.loader->follow();
  if (state_.env.single_threaded()) return {};
  state_.step_thread = std::thread([this] { step_loop(state_); });
  state_.loader->start();
  state_.compactor->start();
  std::lock_guard guard(state_.sinks_mutex);
  for (auto& sink : state_.sinks) sink->start();
  return {};
}

Status RunningNode::stop() {
  if (stopped_) return {};
  stopped_ = true;
  state_.loader->stop();
  state_.compactor->stop();
  {
    std::lock_guard guard(state_.signal_mutex);
    state_.stopping = true;
  }
  state_.signal.notify_all();
  if (state_.step_thread.joinable()) state_.step_thread.join();
  if (std::lock_guard starts(state_.starts_mutex); state_.starts) (void)state_.starts->leave();
  if (state_.instance) state_.instance->interrupt();  // queries that run on would hold up the end
  Status status;
  if (state_.pipeline && !failure_of(state_) && state_.ready) {
    // What is durable in the log but in no commit yet is taken by the next start; what is in a commit is delivered now.
    {
      std::lock_guard guard(state_.sinks_mutex);
      for (auto& sink : state_.sinks) {
        sink->stop();
        if (state_.env.single_threaded()) (void)sink->deliver_all();  // else its thread did, at last
      }
    }
    std::lock_guard steps(state_.step_mutex);
    {
      std::lock_guard guard(state_.sinks_mutex);
      for (auto& sink : state_.sinks) sink->move_to(state_.ledger, state_.written);
      state_.sinks.clear();
    }
    if (!state_.in_doubt) status = checkpoint(state_);
  }
  {
    std::lock_guard guard(state_.sinks_mutex);
    state_.sinks.clear();
  }
  {
    std::lock_guard guard(state_.subscribers_mutex);
    for (const auto& weak : state_.subscribers) {
      if (auto queue = weak.lock()) queue->batches.close();
    }
  }
  state_.ready = false;
  if (state_.log) {
    Status closed = state_.log->close();
    if (status.ok()) status = std::move(closed);
  }
  return status;
}

Result<StatementResult> RunningNode::execute(std::string_view sql, CancelToken* cancel) {
  MR_ASSIGN(std::vector<sql::Statement> statements, sql::parse_statements(sql));
  if (statements.empty()) return user_error(sqlstate::kSyntaxError, "there is no statement to run");
  StatementResult last;
  for (const sql::Statement& statement : statements) {
    Result<StatementResult> result = execute_statement(state_, statement, cancel);
    if (!result.ok()) return lead_to_verify(std::move(result).error());
    last = std::move(result).value();
  }
  return last;
}

Status RunningNode::finish_bounded() {
  MR_TRY(state_.loader->finish());
  MR_TRY(sync());
  {
    std::lock_guard steps(state_.step_mutex);
    state_.end_of_time_wanted = true;
  }
  MR_ASSIGN(bool stepped, step_and_commit(state_, true));
  (void)stepped;
  std::lock_guard guard(state_.sinks_mutex);
  Status first;
  for (auto& sink : state_.sinks) {
    Status delivered = leading(sink->deliver_all());
    if (first.ok()) first = std::move(delivered);
  }
  return first;
}

Result<ReplayReceipt> RunningNode::replay_dead(std::string_view name) {
  std::shared_ptr<SinkRunner> runner;
  {
    std::lock_guard guard(state_.sinks_mutex);
    for (const auto& sink : state_.sinks) {
      if (iequals(sink->name(), name)) runner = sink;
    }
  }
  if (runner) return runner->replay_dead();
  std::shared_lock readers(state_.readers_mutex);
  const sql::CatalogObject* object = state_.catalog.find(name);
  if (object && object->kind != sql::ObjectKind::kSink) {
    return user_error(sqlstate::kNotSupported,
                      "only a sink's dead letters go again as they are; what did not decode would not: " + object->name)
        .with_hint("correct the records and send them anew: millrace dead show " + object->name +
                   " --format json (docs/operations.md has an example)");
  }
  return user_error(sqlstate::kUndefinedTable, "there is no running sink named " + std::string(name))
      .with_hint(state_.catalog.did_you_mean(name));
}

std::vector<StreamStatus> RunningNode::stream_status() {
  std::vector<StreamStatus> all;
  for (RunningSource& running : state_.pipeline->sources()) {
    if (running.engine_written) continue;
    StreamStatus status;
    const StreamSource& source = running.source;
    bool table = source.name.ends_with("$raw");
    status.name = table ? source.name.substr(0, source.name.size() - 4) : source.name;
    status.kind = table ? "table" : "stream";
    for (int32_t p = 0; p < source.stream->partition_count(); ++p) {
      log::Partition& partition = source.stream->partition(PartitionId(p));
      Offset end = partition.end_offset();
      status.records += static_cast<uint64_t>(end.value - partition.begin_offset().value);
      status.bytes += partition.size_bytes();
      status.lag_records += static_cast<uint64_t>(end.value - running.positions[p].value);
    }
    if (auto dead = state_.catalog.relation(status.name + "_dead")) {
      auto stream = state_.log->find(dead->stream);
      if (stream) status.dead = static_cast<uint64_t>(stream->partition(PartitionId(0)).end_offset().value);
    }
    all.push_back(std::move(status));
  }
  return all;
}

std::vector<ViewStatus> RunningNode::view_status() {
  std::vector<ViewStatus> all;
  for (auto& view : state_.pipeline->views()) {
    if (view->temporary) continue;
    ViewStatus status;
    status.name = view->name;
    status.kind = view->is_table ? "table" : "view";
    if (!view->is_table) status.reads = view->plan.relations();
    status.rows = view->store->rows();
    status.kept = view->kept;
    status.changes = view->changes;
    status.errors = view->errors;
    status.late = view->late_rows;
    all.push_back(std::move(status));
  }
  return all;
}

/// Resident memory of this process, as Linux tells it; 0 elsewhere.
uint64_t resident_bytes(Env& env) {
  auto text = env.files().read_all("/proc/self/status");
  if (!text.ok()) return 0;
  size_t at = text->find("VmRSS:");
  return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at + 6, nullptr, 10) * 1024;
}

/// What the locks guard, or what was known of it before.
NodeStatus RunningNode::counted_status() {
  const Duration now = state_.env.clock().monotonic();
  LookLock look(state_.env.files(), looks_mutex_, state_.step_mutex);
  if (!look.has_lock()) {
    auto [status, age] = last_status_.get(now);
    status.stale = age;
    return status;
  }
  NodeStatus status;
  status.epoch = state_.epoch;
  if (state_.store) status.state_blocks_read = state_.store->blocks_read();
  status.bounded_done = state_.bounded_end;
  status.rows_in = state_.pipeline->rows_taken();
  for (const state::TableRef& table : state_.pipeline->tables()) status.state_bytes += table.table->memory_bytes();
  status.loads = state_.loader->status();
  status.streams = stream_status();
  status.views = view_status();
  look.release_lock();
  for (const StreamStatus& stream : status.streams) status.lag_records += stream.lag_records;
  {
    std::lock_guard guard(state_.sinks_mutex);
    for (auto& sink : state_.sinks) status.sinks.push_back(sink->status());
  }
  last_status_.set(status, now);
  return status;
}

/// What can be told at any time.
void RunningNode::add_present(NodeStatus& status) {
  status.version = kVersion;
  status.data_directory = state_.options.data_directory;
  status.ready = state_.ready;
  if (auto failure = failure_of(state_)) {
    status.failure = failure->message;
    status.recovering = failure->fault == Fault::kExternal;
  }
  if (auto at = stopped_at(state_)) {
    status.stopped = at->place();
    status.stopped_error = at->message;
    status.stopped_hint = at->error().hint;
  }
  status.sync_hangs = state_.env.files().oldest_sync();
  status.memory_bytes = resident_bytes(state_.env);
  status.memory_limit_bytes = state_.options.memory_bytes;
  status.state_limit_bytes = shares_of(state_.options.memory_bytes).state_bytes;
  status.state_evicted_bytes = state_.state_evicted_bytes;
  status.low_space_bytes = state_.options.low_space_bytes;
  if (auto free = state_.env.files().free_bytes(state_.options.data_directory); free.ok()) status.free_bytes = *free;
  status.commits = state_.commits_made;
  status.checkpoints = state_.checkpoints_made;
  status.compaction = state_.compactor->status();
  status.rows_per_second = state_.rows_per_second;
}

NodeStatus RunningNode::status() {
  NodeStatus status = counted_status();
  add_present(status);
  return status;
}

ledger::Report RunningNode::ledger_report() {
  std::map<std::pair<StreamId, PartitionId>, Offset> ends;
  const Duration now = state_.env.clock().monotonic();
  LookLock look(state_.env.files(), looks_mutex_, state_.step_mutex);
  if (!look.has_lock()) return last_report_.get(now).first;
  {
    std::lock_guard guard(state_.sinks_mutex);
    for (auto& sink : state_.sinks) {
      auto delivered = sink->delivered();
      sink->move_to(state_.ledger, state_.written);
      if (!delivered) continue;
      auto [at, is_new] = ends.try_emplace({delivered->first, PartitionId(0)}, delivered->second);
      if (!is_new) at->second = std::min(at->second, delivered->second);
    }
  }
  ReceivedBook::Ends taken;
  for (RunningSource& running : state_.pipeline->sources()) {
    for (size_t p = 0; p < running.positions.size(); ++p) {
      std::pair at{running.source.id, PartitionId(static_cast<int32_t>(p))};
      ends[at] = running.positions[p];
      if (!running.engine_written) taken[at] = running.positions[p];
    }
  }
  state_.received.move_settled_to(state_.ledger, state_.written, taken, Duration::from_seconds(1));
  ledger::Report report = state_.ledger.report(ends);
  last_report_.set(report, now);
  return report;
}

}  // namespace

Result<std::unique_ptr<Node>> Node::open(Env& env, Metrics& metrics, NodeOptions options) {
  keep_free_memory(options.memory_bytes);
  auto node = std::make_unique<RunningNode>(env, metrics, options);
  MR_TRY(node->open());
  if (node->safe_mode().empty()) return std::unique_ptr<Node>(std::move(node));
  std::string reason = node->safe_mode();
  std::unique_ptr<FileLock> lock = node->give_lock();
  node.reset();
  return make_safe_node(env, metrics, std::move(options), std::move(lock), std::move(reason));
}

}  // namespace millrace::engine
