#include "simulation/scenario.h"

#include <fmt/format.h>

#include "base/text.h"
#include "connectors/connector.h"

namespace millrace::simulation {
namespace {

/// A fault may have left the node in doubt; so many turns, a second apart, must do.
constexpr int kHealTurnsMax = 30;

}  // namespace

Scenario::Scenario(const Options& options, batch::SqlInstance& instance)
    : options_(options),
      random_(options.seed),
      env_(options.seed),
      faults_(env_, random_),
      oracle_(instance),
      trace_(options.print) {
  for (int32_t id = 0; id < 4; ++id) producers_.emplace_back(id, id < 3 ? "events" : "notes");
  idle_ = random_() % 3 == 0;
  for (size_t i = 0; i < kViews.size(); ++i) {
    if (i < 2 || random_() % 2 == 0) views_.push_back(&kViews[i]);
  }
  destination_.forgets_position = options.destination_forgets;
  if (options.disk_lies) env_.files().ignore_syncs(".seg");
}

Outcome Scenario::run() {
  if (!options_.planted.empty() && !env_.failpoints().configure(options_.planted).ok()) fail("a bad rule is planted");
  start();
  for (uint64_t i = 0; i < options_.actions && !failed(); ++i) act();
  faults_.end();
  if (!failed()) heal("the end of all faults");
  judge();
  restart_cleanly();
  judge();
  judge_sinks();
  for (const Producer& producer : producers_) {
    outcome_.retries += producer.retries();
    for (const Message& message : producer.messages()) outcome_.acked += message.acked;
  }
  outcome_.commits_of_destination = destination_.commits();
  outcome_.virtual_time = env_.clock().monotonic();
  outcome_.last_fault = faults_.last();
  outcome_.trace_hash = trace_.hash();
  outcome_.trace_tail = trace_.tail();
  node_.reset();
  return outcome_;
}

void Scenario::fail(std::string problem) {
  trace_.note("PROBLEM " + problem);
  if (!failed()) outcome_.problem = std::move(problem);
}

void Scenario::note_error(const char* what, const Error& error) {
  trace_.note(fmt::format("{}: {}", what, error.message));
  if (env_.files().down()) return;
  // What a fault broke may show late, as when the next checkpoint needs it: then the node must get over it by itself.
  if (!trouble_ && harmed_ && error.fault == Fault::kExternal) return heal("what came late of an earlier fault");
  if (!trouble_ || error.fault == Fault::kInternal) fail(fmt::format("{}: {}", what, error.message));
}

void Scenario::act() {
  if (faults_.pass()) heal(faults_.last());
  if (!faults_.active() && !failed() && random_() % 5 == 0) {
    trace_.note("fault: " + faults_.begin(destination_));
    ++outcome_.faults;
    trouble_ = harmed_ = true;
  }
  const uint64_t kind = random_() % 32;
  if (kind < 14) {
    send();
  } else if (kind < 21) {
    pass_time();
  } else if (kind < 24) {
    change_name();
  } else if (kind < 26) {
    query();
  } else if (kind < 28) {
    sync();
  } else if (kind < 30) {
    if (!faults_.active()) judge();
  } else if (kind == 30) {
    random_() % 2 == 0 ? change_views() : take_savepoint();
  } else {
    restart_cleanly();
  }
  if (!env_.files().down() || failed()) return;
  bury();
  start();
  if (!faults_.active() && random_() % 2 == 0) judge();
}

void Scenario::send() {
  Producer& producer = producers_[random_() % producers_.size()];
  const Timestamp now = SimulatedClock::kStart + env_.clock().monotonic();
  if (random_() % 20 == 0) {
    if (Status late = producer.deliver_late(*node_); !late.ok()) return note_error("deliver late", late.error());
  }
  auto sent = producer.send(*node_, random_, now);
  if (!sent.ok()) return note_error("send", sent.error());
  trace_.note(fmt::format("sent to {}: {}, {} messages", producer.stream(), *sent ? "acked" : "no answer",
                          producer.messages().size()));
  if (random_() % 4 != 0) turn("turn");
}

void Scenario::pass_time() {
  const uint64_t kind = random_() % 20;
  int64_t ms = static_cast<int64_t>(random_() % 100);
  if (kind >= 10) ms = static_cast<int64_t>(random_() % 10000);
  if (kind >= 16) ms = static_cast<int64_t>(random_() % 600000);
  if (kind == 19) ms = static_cast<int64_t>(random_() % (3 * 3600 * 1000));
  env_.clock().advance(Duration::from_millis(ms));
  turn("turn");
}

void Scenario::turn(const char* why) {
  auto stepped = node_->turn();
  if (!stepped.ok()) return note_error(why, stepped.error());
  trace_.note(fmt::format("{}: {}, {} changes of the disk, at {}", why, *stepped, env_.files().changes(),
                          format_iso8601(env_.clock().now())));
}

void Scenario::sync() {
  if (Status status = node_->sync(); !status.ok()) return note_error("sync", status.error());
  trace_.note("in sync");
}

void Scenario::change_name() {
  const auto k = static_cast<int64_t>(random_() % 9);
  const std::string name = fmt::format("name{}", names_++);
  auto done = node_->execute(fmt::format("INSERT INTO names VALUES ({}, '{}')", k, name));
  std::vector<std::string>& candidates = name_candidates_.try_emplace(k, 1, "").first->second;
  if (done.ok()) candidates.clear();
  candidates.push_back(name);
  trace_.note(fmt::format("name of {}: {}, {}", k, name, done.ok()));
  if (!done.ok()) note_error("insert", done.error());
}

void Scenario::query() {
  auto answer = node_->execute("SELECT (SELECT coalesce(sum(n), 0)::BIGINT FROM totals), count(*) FROM large");
  if (!answer.ok()) return note_error("query", answer.error());
  trace_.note("query: " + bag_of(answer->batches).begin()->first);
}

void Scenario::change_views() {
  static constexpr const char* kQueries[] = {"SELECT k, min(v) AS low, max(v) AS high FROM events GROUP BY k",
                                             "SELECT DISTINCT g FROM events", "SELECT count(*) AS n FROM notes",
                                             "SELECT name, count(*) AS n FROM names GROUP BY name"};
  const bool drops = extra_ != Extra::kAbsent;
  if (!drops) extra_query_ = kQueries[random_() % 4];
  auto done = node_->execute(drops ? "DROP MATERIALIZED VIEW IF EXISTS extra"
                                   : "CREATE MATERIALIZED VIEW extra AS " + extra_query_);
  trace_.note(fmt::format("{} a view: {}", drops ? "drop" : "create", done.ok()));
  extra_ = !done.ok() ? Extra::kUnknown : drops ? Extra::kAbsent : Extra::kPresent;
  if (!done.ok()) note_error("change views", done.error());
}

void Scenario::take_savepoint() {
  if (!faults_.active()) judge();
  if (failed() || env_.files().down()) return;
  auto made = node_->create_savepoint(fmt::format("s{}", savepoints_++));
  if (!made.ok()) return note_error("savepoint", made.error());
  trace_.note(fmt::format("savepoint at epoch {}", made->epoch.value));
  if (!faults_.active()) judge_savepoint(made->path);
  (void)env_.files().remove_recursively(made->path);
}

void Scenario::heal(const std::string& after) {
  Status status;
  for (int i = 0; i < kHealTurnsMax; ++i) {
    if (env_.files().down()) return;  // a death that was due before
    (void)node_->turn();
    env_.clock().advance(Duration::from_seconds(1));
    status = node_->sync();
    if (status.ok()) break;
  }
  if (!status.ok()) return fail("no recovery after " + after + ": " + status.error().message);
  trouble_ = false;
  trace_.note("healed");
}

// ---- lives ----

void Scenario::restart_cleanly() {
  if (failed()) return;
  Status stopped = node_->stop();
  trace_.note("stopped");
  if (!stopped.ok() && !harmed_) note_error("stop", stopped.error());  // else it names what a request was told
  if (failed()) return;
  bury();
  start();
}

void Scenario::bury() {
  node_.reset();
  if (!env_.files().down()) return;
  ++outcome_.deaths;
  env_.restart();
  trace_.note(fmt::format("died; {} bytes are left", env_.files().used_bytes()));
  if (random_() % 4 == 0) trace_.note("and in the recovery: " + faults_.begin_death());
}

void Scenario::start() {
  for (int attempt = 0; !failed(); ++attempt) {
    if (attempt == 2) faults_.end();  // three failed starts in a row would be safe mode
    workers_ = static_cast<uint32_t>(1 + random_() % 3);
    Status opened = open_once();
    if (opened.ok()) break;
    note_error("start", opened.error());
    if (attempt >= 2) fail("no start: " + opened.error().message);
    bury();
  }
  if (!faults_.active()) trouble_ = false;
}

engine::NodeOptions Scenario::node_options(std::string directory) {
  engine::NodeOptions options;
  options.data_directory = std::move(directory);
  options.workers = workers_;
  options.checkpoint_dirty_bytes = 1000ULL << (options_.seed % 8);
  options.low_space_bytes = 4096;
  options.make_sink = [this](std::string_view connector, const connectors::SinkSetup& setup) {
    if (!setup.options.text("path").starts_with("outside/")) return connectors::make_sink(connector, setup);
    return Result<std::unique_ptr<connectors::Sink>>(destination_.make_sink(setup));
  };
  return options;
}

Status Scenario::open_once() {
  harmed_ = faults_.active();
  trouble_ = trouble_ || harmed_;
  MR_ASSIGN(node_, engine::Node::open(env_, metrics_, node_options("/data")));
  if (std::string reason = node_->status().safe_mode; !reason.empty()) return internal_error("safe mode: " + reason);
  if (!created_) MR_TRY(node_->apply_pipeline(pipeline_text(), "/", {}));
  created_ = true;
  MR_TRY(node_->start());
  trace_.note(fmt::format("started with {} workers, epoch {}", workers_, node_->status().epoch.value));
  judge_progress();
  return {};
}

std::string Scenario::pipeline_text() const {
  std::string text = fmt::format(fmt::runtime(kStreams), idle_ ? "10 seconds" : "none");
  for (const ViewCase* view : views_) {
    text += fmt::format("CREATE MATERIALIZED VIEW IF NOT EXISTS {} AS {};\n", view->name, view->query);
  }
  text += R"(
    CREATE SINK IF NOT EXISTS copy FROM totals WITH (connector = 'file', path = 'outside/copy', format = 'csv', mode = 'upsert');
    CREATE SINK IF NOT EXISTS files FROM large WITH (connector = 'file', path = 'out/large', format = 'csv', roll_age = '10 s');
    CREATE SINK IF NOT EXISTS changes FROM totals
      WITH (connector = 'file', path = 'out/totals', format = 'csv', mode = 'changes', roll_age = '10 s');)";
  return text;
}

}  // namespace millrace::simulation
