// TableGates: an UPDATE reads a table and writes what follows from it, so nothing may be appended to the table between.
// Appends hold a gate open until they are durable; a change closes it.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "base/ids.h"

namespace millrace::engine {

/// Any thread.
class TableGate {
 public:
  /// An append: waits while the gate is closed. A change that waits goes first, so that appends cannot starve it.
  void enter() {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return !closed_ && closing_ == 0; });
    ++inside_;
  }
  void leave() {
    std::lock_guard guard(mutex_);
    --inside_;
    changed_.notify_all();
  }
  /// A change: alone once it returns.
  void lock() {
    std::unique_lock guard(mutex_);
    ++closing_;
    changed_.wait(guard, [&] { return !closed_ && inside_ == 0; });
    --closing_;
    closed_ = true;
  }
  void unlock() {
    std::lock_guard guard(mutex_);
    closed_ = false;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t inside_ = 0;
  size_t closing_ = 0;
  bool closed_ = false;
};

/// An append that is inside.
class GatePass {
 public:
  explicit GatePass(std::shared_ptr<TableGate> gate) : gate_(std::move(gate)) { gate_->enter(); }
  ~GatePass() { gate_->leave(); }
  GatePass(const GatePass&) = delete;
  GatePass& operator=(const GatePass&) = delete;

 private:
  std::shared_ptr<TableGate> gate_;  // shared: a table that is dropped meanwhile takes its gate along
};

class TableGates {
 public:
  std::shared_ptr<TableGate> gate_of(StreamId table) {
    std::lock_guard guard(mutex_);
    std::shared_ptr<TableGate>& gate = gates_[table];
    if (!gate) gate = std::make_shared<TableGate>();
    return gate;
  }
  void forget(StreamId table) {
    std::lock_guard guard(mutex_);
    gates_.erase(table);
  }

 private:
  std::mutex mutex_;
  std::map<StreamId, std::shared_ptr<TableGate>> gates_;
};

}  // namespace millrace::engine
