#include "commit_model.h"

#include <map>

namespace millrace::engine {
namespace {

/// Under way at one time, those of dead nodes included.
constexpr size_t kRequestsMax = 3;

class Moves {
 public:
  Moves(const Protocol& protocol, const World& world, bool faults)
      : protocol_(protocol), world_(world), faults_(faults) {}

  std::vector<Move> all() {
    if (world_.phase == Phase::kDown) {
      start();
    } else {
      step_and_commit();
      sink();
    }
    network();
    if (faults_) crash();
    return std::move(moves_);
  }

 private:
  void add(const char* name, World after) { moves_.push_back({name, std::move(after)}); }

  /// Recovery: what the last durable commit says, and nothing behind it.
  void start() {
    World after = world_;
    ++after.starts;
    after.phase = Phase::kIdle;
    if (protocol_.recovery_cuts_to_the_commit) after.changelog.resize(after.record_changelog);
    after.changelog_synced = static_cast<uint8_t>(after.changelog.size());
    after.committed = after.changelog_synced;
    after.taken = after.record_position;
    add("start", after);
  }

  void step_and_commit() {
    World after = world_;
    switch (world_.phase) {
      case Phase::kIdle:
        if (world_.events == world_.taken) return;
        after.taken = world_.events;
        after.phase = Phase::kStepped;
        return add("step", after);
      case Phase::kStepped:
        for (uint8_t event = world_.record_position; event < world_.taken; ++event) after.changelog.push_back(event);
        after.phase = Phase::kAppended;
        return add("append changes", after);
      case Phase::kAppended:
        if (protocol_.changelog_synced_before_commit) {
          after.changelog_synced = static_cast<uint8_t>(after.changelog.size());
        }
        after.phase = Phase::kSynced;
        return add("sync changes", after);
      case Phase::kSynced: after.phase = Phase::kRecordWritten; return add("write record", after);
      case Phase::kRecordWritten:
        make_record_durable(after);
        after.committed = after.record_changelog;
        after.phase = Phase::kIdle;
        return add("sync record", after);
      case Phase::kDown: return;
    }
  }

  static void make_record_durable(World& world) {
    world.record_position = world.taken;
    world.record_changelog = static_cast<uint8_t>(world.changelog.size());
  }

  void sink() {
    World after = world_;
    if (!world_.sink_open) {
      after.sink_open = true;
      after.waits = false;
      after.sink_position = world_.delivered_position;
      return add("sink asks for its position", after);
    }
    uint8_t end =
        protocol_.sink_reads_committed_only ? world_.committed : static_cast<uint8_t>(world_.changelog.size());
    if (world_.waits || world_.sink_position >= end) return;
    Request request{world_.starts, world_.sink_position, {}};
    request.rows.assign(world_.changelog.begin() + world_.sink_position, world_.changelog.begin() + end);
    after.network.push_back(std::move(request));
    after.waits = true;
    add("sink sends", after);
  }

  /// A request that is under way reaches the destination, at any time; its answer may be lost.
  void network() {
    for (size_t i = 0; i < world_.network.size(); ++i) {
      Request request = world_.network[i];
      World arrived = world_;
      arrived.network.erase(arrived.network.begin() + static_cast<std::ptrdiff_t>(i));
      World lost = arrived;
      bool own = request.writer == world_.starts && world_.phase != Phase::kDown && world_.waits;
      bool applied = !protocol_.destination_compares_position || request.position == world_.delivered_position;
      if (applied) {
        arrived.delivered.insert(arrived.delivered.end(), request.rows.begin(), request.rows.end());
        if (protocol_.position_in_the_transaction) {
          arrived.delivered_position = static_cast<uint8_t>(request.position + request.rows.size());
        }
      }
      World told = arrived;
      if (own) {
        told.waits = false;
        told.sink_open = applied;  // a refused one looks again
        told.sink_position = static_cast<uint8_t>(request.position + request.rows.size());
        if (applied) told.delivered_position = told.sink_position;
      }
      add("request arrives", told);
      if (!faults_ || !own) continue;
      add("request arrives, its answer is lost", outcome_unknown(arrived, request));
      add("request is lost", outcome_unknown(lost, request));
      add("request is late, the connection breaks", outcome_unknown(world_, request));
    }
  }

  /// Without the rule the sink believes that it went well.
  World outcome_unknown(World world, const Request& request) const {
    world.waits = false;
    world.sink_open = !protocol_.unknown_outcome_is_looked_up;
    world.sink_position = static_cast<uint8_t>(request.position + request.rows.size());
    return world;
  }

  void crash() {
    if (world_.phase == Phase::kDown) return;
    World after = world_;
    after.phase = Phase::kDown;
    after.sink_open = false;
    after.waits = false;
    after.taken = after.committed = 0;
    if (world_.phase == Phase::kRecordWritten) {
      World kept = after;
      kept.record_position = world_.taken;
      kept.record_changelog = static_cast<uint8_t>(world_.changelog.size());
      lose_unsynced(kept, "crash, the record survives");
    }
    lose_unsynced(after, "crash");
  }

  /// Any part of what was not synced may be there afterwards.
  void lose_unsynced(const World& world, const char* name) {
    for (size_t rows = world.changelog_synced; rows <= world.changelog.size(); ++rows) {
      World after = world;
      after.changelog.resize(rows);
      after.changelog_synced = static_cast<uint8_t>(rows);
      add(name, after);
    }
  }

  const Protocol& protocol_;
  const World& world_;
  const bool faults_;
  std::vector<Move> moves_;
};

/// Without faults every order of moves leads to the same end; take the first move until there is none.
std::string after_all_is_quiet(const Protocol& protocol, World world) {
  for (int i = 0; i < 200; ++i) {
    std::vector<Move> next = moves(protocol, world, false);
    if (next.empty()) {
      std::string broken = broken_promise(world);
      if (!broken.empty()) return broken + " in the end";
      return world.delivered.size() == world.events ? "" : "an acked event is never delivered";
    }
    world = std::move(next.front().after);
  }
  return "the node never comes to rest";
}

}  // namespace

std::vector<Move> moves(const Protocol& protocol, const World& world, bool faults) {
  return Moves(protocol, world, faults).all();
}

std::string broken_promise(const World& world) {
  for (size_t i = 0; i < world.delivered.size(); ++i) {
    if (world.delivered[i] < i) return "a row is delivered twice";
    if (world.delivered[i] > i) return "a row is left out";
  }
  if (world.delivered.size() > world.record_position) return "a row is delivered that was never committed";
  if (world.changelog.size() < world.record_changelog) return "a committed row is gone from the changelog";
  for (size_t i = 0; i < world.record_changelog; ++i) {
    if (world.changelog[i] != i) return "the committed changelog is not the input";
  }
  return {};
}

Exploration explore(const Protocol& protocol, uint32_t depth, uint8_t events_max, uint8_t starts_max) {
  Exploration result;
  struct Origin {
    World from;
    std::string move;
  };
  std::map<World, Origin> seen{{World{}, {}}};
  std::vector<World> frontier{World{}};
  auto fail = [&](const World& world, std::string broken) {
    result.broken = std::move(broken);
    for (World at = world; at != World{}; at = seen.at(at).from) {
      result.trace.insert(result.trace.begin(), seen.at(at).move);
    }
  };
  for (uint32_t level = 0; level < depth; ++level) {
    std::vector<World> next_frontier;
    for (const World& world : frontier) {
      std::vector<Move> next = moves(protocol, world, true);
      if (world.events < events_max) {
        World after = world;
        ++after.events;
        next.push_back({"an event is acked", after});
      }
      for (Move& move : next) {
        if (move.after.starts > starts_max || move.after.network.size() > kRequestsMax) continue;
        if (!seen.emplace(move.after, Origin{world, move.name}).second) continue;
        std::string broken = broken_promise(move.after);
        if (broken.empty()) broken = after_all_is_quiet(protocol, move.after);
        if (!broken.empty()) {
          fail(move.after, std::move(broken));
          result.worlds = seen.size();
          return result;
        }
        next_frontier.push_back(std::move(move.after));
      }
    }
    frontier = std::move(next_frontier);
  }
  result.worlds = seen.size();
  return result;
}

}  // namespace millrace::engine
