// A view WITH (on_error = 'stop') met a row that fails. The step that holds it is given up: memory goes back to the
// last commit, and no step is made until the view is gone. Reads, appends and statements go on.
#include <algorithm>

#include "engine/node_state.h"

namespace millrace::engine {

std::optional<StoppedAt> stopped_at(NodeState& node) {
  std::lock_guard guard(node.signal_mutex);
  return node.stopped;
}

Status stop_when_a_row_failed(NodeState& node) {
  std::optional<StoppedAt> at = node.pipeline->stopped_at();
  if (!at) return {};
  Error error = at->error();
  {
    std::lock_guard guard(node.signal_mutex);
    node.stopped = std::move(at);
  }
  node.signal.notify_all();
  return error;
}

bool stay_stopped(NodeState& node) {
  bool ahead = false;
  {
    std::lock_guard steps(node.step_mutex);
    ahead = node.in_doubt;
  }
  if (ahead && !restart_until_it_works(node, 1)) return false;
  std::unique_lock guard(node.signal_mutex);
  node.signal.wait(guard, [&] { return node.stopping || !node.stopped; });
  return !node.stopping;
}

void go_on_without(NodeState& node, const std::vector<sql::CatalogObject>& removed) {
  {
    std::lock_guard guard(node.signal_mutex);
    if (!node.stopped) return;
    bool gone = std::any_of(removed.begin(), removed.end(),
                            [&](const auto& object) { return object.stream == node.stopped->view_id; });
    if (!gone) return;
    node.stopped.reset();
  }
  node.signal.notify_all();
}

}  // namespace millrace::engine
