// A materialized view whose changes are followed and folded, as its subscribers do.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/node.h"
#include "rows.h"

namespace millrace::test {

class FollowedView {
 public:
  /// `retained`: it has a retention, so that what follows it goes on behind what it saw last after a restart.
  FollowedView(std::string name, bool retained) : name_(std::move(name)), retained_(retained) {}

  /// Reads what changed until the fold equals `rows`. Empty when it does; else what is wrong: a delete without its
  /// insert, or rows that differ.
  std::string read_until(engine::Node& node, const Bag& rows);
  /// Before the node goes.
  void let_go() { subscription_.reset(); }
  uint64_t deletes() const { return deletes_; }
  uint64_t resumed() const { return resumed_; }

 private:
  std::optional<std::string> subscribe(engine::Node& node);
  std::optional<std::string> read_some(Duration timeout, bool& more);

  std::string name_;
  bool retained_;
  std::unique_ptr<engine::Subscription> subscription_;
  std::string position_;  ///< of the last row that was seen; empty: none has one
  Bag folded_;
  uint64_t deletes_ = 0;
  uint64_t resumed_ = 0;
};

}  // namespace millrace::test
