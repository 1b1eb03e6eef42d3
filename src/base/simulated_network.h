// Connections inside one process: bounded pipes. Part of SimulatedEnv.
//
// Hosts are not looked at: a port is a port, whatever the host is called. Reads and writes block, so both ends need a
// thread of their own, as with real sockets.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/env.h"

namespace millrace {

class SimulatedNetwork final : public Network {
 public:
  SimulatedNetwork();
  ~SimulatedNetwork() override;

  Result<std::unique_ptr<Connection>> connect(const std::string& host, uint16_t port, Duration timeout) override;
  Result<std::unique_ptr<Listener>> listen(const std::string& host, uint16_t port) override;

  /// From now on connecting fails with a refusal, or works again.
  void refuse_connections(bool refuse);
  /// Breaks every connection and closes every listener: their calls fail.
  void cut_all();

  struct Pipe;
  struct Port;

 private:
  std::mutex mutex_;  // guards all below
  bool refusing_ = false;
  uint16_t last_free_port_ = 49151;
  std::map<uint16_t, std::weak_ptr<Port>> ports_;
  std::vector<std::weak_ptr<Pipe>> pipes_;
};

}  // namespace millrace
