// A model of the commit protocol (docs/formats/commit.md) small enough to be explored whole: a source, one node at a
// time with its log on a disk that may lose what was not synced, a destination that takes transactions, and the network
// between them, which may deliver a request late or lose its answer. Every action of every part is one transition.
//
// Input event number i becomes changelog row i and destination row i, so that "exactly once" is: the destination holds
// 0, 1, … n − 1.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace::engine {

/// What the protocol relies on. Each one switched off is a mistake that the check must find.
struct Protocol {
  bool changelog_synced_before_commit = true;
  bool recovery_cuts_to_the_commit = true;
  bool sink_reads_committed_only = true;
  bool position_in_the_transaction = true;
  bool unknown_outcome_is_looked_up = true;
  bool destination_compares_position = true;
};

using Rows = std::vector<uint8_t>;

/// Where the node stands in its cycle; the numbers are those of "The order" in docs/formats/commit.md.
enum class Phase : uint8_t { kDown, kIdle, kStepped, kAppended, kSynced, kRecordWritten };

/// A transaction on its way to the destination: rows from `position` on. It may arrive after its node is gone.
struct Request {
  uint8_t writer = 0;  ///< the start of the node that sent it
  uint8_t position = 0;
  Rows rows;
  auto operator<=>(const Request&) const = default;
};

struct World {
  uint8_t events = 0;  ///< acked

  // The disk. Of the changelog, `synced` rows are safe; the record that is being written may or may not survive.
  Rows changelog;
  uint8_t changelog_synced = 0;
  uint8_t record_position = 0;  ///< the last durable commit: input taken, and the changelog's committed end
  uint8_t record_changelog = 0;

  Phase phase = Phase::kDown;
  uint8_t starts = 0;
  uint8_t taken = 0;      ///< input in this step's cut
  uint8_t committed = 0;  ///< changelog end that the node has committed

  bool sink_open = false;
  uint8_t sink_position = 0;
  bool waits = false;  ///< for the answer to the request that it sent last

  Rows delivered;  ///< at the destination
  uint8_t delivered_position = 0;
  std::vector<Request> network;

  auto operator<=>(const World&) const = default;
};

struct Move {
  const char* name;
  World after;
};

/// Everything that may happen next. `faults`: crashes and a network that fails, too.
std::vector<Move> moves(const Protocol& protocol, const World& world, bool faults);

/// Empty when the world is as promised.
std::string broken_promise(const World& world);

struct Exploration {
  uint64_t worlds = 0;
  std::string broken;              ///< the first promise that was found broken
  std::vector<std::string> trace;  ///< how it came to that
};

/// All interleavings of up to `depth` moves, up to `events_max` events and `starts_max` starts. From each world the
/// node is also left alone, without faults, until nothing happens any more: everything must then be delivered.
Exploration explore(const Protocol& protocol, uint32_t depth, uint8_t events_max, uint8_t starts_max);

}  // namespace millrace::engine
