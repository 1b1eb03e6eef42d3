#include "base/simulated_network.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>

namespace millrace {

/// One direction of a connection. Shared by its two ends; the network knows it only to cut it.
struct SimulatedNetwork::Pipe {
  static constexpr size_t kBytesMax = 64 * 1024;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<char> bytes;
  bool closed = false;  // no more bytes will come, or nobody takes them
  bool cut = false;

  Result<size_t> read(char* buffer, size_t length) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return cut || closed || !bytes.empty(); });
    if (cut) return errno_error("read from the connection", ECONNRESET);
    const size_t count = std::min(length, bytes.size());
    std::copy_n(bytes.begin(), count, buffer);
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    changed.notify_all();
    return count;
  }

  Status write(std::span<const char> data) {
    std::unique_lock lock(mutex);
    while (!data.empty()) {
      changed.wait(lock, [&] { return cut || closed || bytes.size() < kBytesMax; });
      if (cut) return errno_error("write to the connection", ECONNRESET);
      if (closed) return errno_error("write to the connection", EPIPE);
      const size_t count = std::min(data.size(), kBytesMax - bytes.size());
      bytes.insert(bytes.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(count));
      data = data.subspan(count);
      changed.notify_all();
    }
    return {};
  }

  void end(bool by_cut) {
    const std::lock_guard lock(mutex);
    (by_cut ? cut : closed) = true;
    changed.notify_all();
  }
};

namespace {

using Pipe = SimulatedNetwork::Pipe;

class SimulatedConnection final : public Connection {
 public:
  SimulatedConnection(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out) : in_(std::move(in)), out_(std::move(out)) {}
  ~SimulatedConnection() override { close(); }
  Result<size_t> read(char* buffer, size_t length) override { return in_->read(buffer, length); }
  Status write(std::span<const char> bytes) override { return out_->write(bytes); }
  void close() override {
    in_->end(false);
    out_->end(false);
  }

 private:
  const std::shared_ptr<Pipe> in_;
  const std::shared_ptr<Pipe> out_;
};

}  // namespace

/// A port that is listened on: connections that wait to be accepted.
struct SimulatedNetwork::Port {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::unique_ptr<Connection>> waiting;
  bool closed = false;

  void close() {
    const std::lock_guard lock(mutex);
    closed = true;
    waiting.clear();
    changed.notify_all();
  }
};

namespace {

class SimulatedListener final : public Listener {
 public:
  SimulatedListener(std::shared_ptr<SimulatedNetwork::Port> state, uint16_t port)
      : state_(std::move(state)), port_(port) {}
  ~SimulatedListener() override { close(); }

  Result<std::unique_ptr<Connection>> accept() override {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [&] { return state_->closed || !state_->waiting.empty(); });
    if (state_->closed) return external_error(sqlstate::kCancelled, "the listener was closed");
    auto connection = std::move(state_->waiting.front());
    state_->waiting.pop_front();
    return connection;
  }
  uint16_t port() const override { return port_; }
  void close() override { state_->close(); }

 private:
  const std::shared_ptr<SimulatedNetwork::Port> state_;
  const uint16_t port_;
};

bool is_open(const std::weak_ptr<SimulatedNetwork::Port>& port) {
  const auto held = port.lock();
  if (!held) return false;
  const std::lock_guard lock(held->mutex);
  return !held->closed;
}

}  // namespace

SimulatedNetwork::SimulatedNetwork() = default;
SimulatedNetwork::~SimulatedNetwork() = default;

Result<std::unique_ptr<Connection>> SimulatedNetwork::connect(const std::string& host, uint16_t port, Duration) {
  const std::lock_guard lock(mutex_);
  const std::string what = "connect to " + host + ":" + std::to_string(port);
  const auto found = ports_.find(port);
  const auto state = found == ports_.end() ? nullptr : found->second.lock();
  if (refusing_ || !state) return errno_error(what, ECONNREFUSED);
  const auto there = std::make_shared<Pipe>();
  const auto back = std::make_shared<Pipe>();
  {
    const std::lock_guard port_lock(state->mutex);
    if (state->closed) return errno_error(what, ECONNREFUSED);
    state->waiting.push_back(std::make_unique<SimulatedConnection>(there, back));
    state->changed.notify_one();
  }
  std::erase_if(pipes_, [](const auto& pipe) { return pipe.expired(); });
  pipes_.push_back(there);
  pipes_.push_back(back);
  return std::unique_ptr<Connection>(std::make_unique<SimulatedConnection>(back, there));
}

Result<std::unique_ptr<Listener>> SimulatedNetwork::listen(const std::string& host, uint16_t port) {
  const std::lock_guard lock(mutex_);
  if (port == 0) {
    do {
      last_free_port_ = last_free_port_ == 65535 ? 49152 : static_cast<uint16_t>(last_free_port_ + 1);
    } while (ports_.contains(last_free_port_) && is_open(ports_[last_free_port_]));
    port = last_free_port_;
  } else if (ports_.contains(port) && is_open(ports_[port])) {
    return errno_error("listen on " + host + ":" + std::to_string(port), EADDRINUSE);
  }
  auto state = std::make_shared<Port>();
  ports_[port] = state;
  return std::unique_ptr<Listener>(std::make_unique<SimulatedListener>(std::move(state), port));
}

void SimulatedNetwork::refuse_connections(bool refuse) {
  const std::lock_guard lock(mutex_);
  refusing_ = refuse;
}

void SimulatedNetwork::cut_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& pipe : pipes_) {
    if (const auto held = pipe.lock()) held->end(true);
  }
  for (const auto& [number, port] : ports_) {
    if (const auto held = port.lock()) held->close();
  }
  pipes_.clear();
  ports_.clear();
}

}  // namespace millrace
