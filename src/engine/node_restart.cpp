// A commit that fails leaves memory ahead of the disk. What a restart of the process would do is done in place: files
// are opened again, and everything is rebuilt from the last commit. Producers and readers meanwhile wait or are told.
#include <algorithm>

#include "engine/node_state.h"
#include "engine/sink_runner.h"
#include "engine/subscriptions.h"

namespace millrace::engine {
namespace {

Status open_files_again(NodeState& node) {
  for (const auto& stream : node.log->streams()) {
    for (int32_t p = 0; p < stream->partition_count(); ++p) MR_TRY(stream->partition(PartitionId(p)).reopen());
  }
  node.store.reset();  // before it is opened again: it holds a lock
  return open_store(node);
}

Status recover_from_disk(NodeState& node) {
  MR_TRY(open_files_again(node));
  node.uncommitted.clear();
  node.written.clear();
  node.epoch = Epoch{};
  node.in_doubt = false;       // recovery may end with a checkpoint
  MR_TRY(load_catalog(node));  // a statement may have failed half-way
  MR_TRY(node.ledger.restore(ledger::Ledger().snapshot()));
  return recover(node);
}

}  // namespace

Status restart(NodeState& node) {
  std::lock_guard ddl(node.ddl_mutex);
  {
    std::lock_guard guard(node.sinks_mutex);
    for (auto& sink : node.sinks) sink->stop();
    node.sinks.clear();
  }
  {
    std::lock_guard steps(node.step_mutex);
    std::unique_lock readers(node.readers_mutex);
    node.restarting = true;
    Status recovered = recover_from_disk(node);
    node.in_doubt = node.restarting = !recovered.ok();
    MR_TRY(std::move(recovered));
  }
  MR_TRY(follow_sinks(node));
  // A commit may have become durable without being handed to them.
  end_subscriptions(node, nullptr,
                    external_error(sqlstate::kUnavailable, "the node recovered from a failure", Retry::kBackoff)
                        .with_hint("subscribe again"));
  std::lock_guard guard(node.signal_mutex);
  node.failure.reset();
  return {};
}

Status refuse_in_doubt(const NodeState& node) {
  if (!node.in_doubt) return {};
  return external_error(sqlstate::kUnavailable, "an earlier step or commit failed, and the node recovers",
                        Retry::kBackoff)
      .with_hint("try again in a moment; GET /v1/status says what failed");
}

Status refuse_while_restarting(const NodeState& node) {
  if (!node.restarting) return {};
  return external_error(sqlstate::kUnavailable, "the node recovers from a failure of its disk", Retry::kBackoff)
      .with_hint("try again in a moment; GET /v1/status says what failed");
}

bool restart_until_it_works(NodeState& node, uint32_t failures) {
  constexpr int64_t kPauseMaxMs = 4000;
  int64_t pause_ms = 100;
  for (uint32_t i = 1; i < failures && pause_ms < kPauseMaxMs; ++i) pause_ms *= 2;
  while (true) {
    {
      std::unique_lock guard(node.signal_mutex);
      node.signal.wait_for(guard, std::chrono::milliseconds(std::min(pause_ms, kPauseMaxMs)),
                           [&] { return node.stopping.load(); });
    }
    if (node.stopping) return false;
    Status status = restart(node);
    if (status.ok()) return true;
    std::lock_guard guard(node.signal_mutex);
    node.failure = std::move(status).error();
    pause_ms *= 2;
  }
}

}  // namespace millrace::engine
