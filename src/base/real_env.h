// The Env of a program that runs for real: POSIX files, BSD sockets, the machine's clocks, the kernel's randomness.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/env.h"

namespace millrace {

class RealEnv : public Env {
 public:
  RealEnv();
  ~RealEnv() override;

  Clock& clock() override { return *clock_; }
  Random& random() override { return *random_; }
  FileSystem& files() override { return *files_; }
  Network& network() override { return *network_; }
  Failpoints& failpoints() override { return *failpoints_; }
  bool single_threaded() const override { return false; }

 private:
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Failpoints> failpoints_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<Network> network_;
};

/// The parts, for what needs only one of them.
std::unique_ptr<Clock> make_real_clock();
std::unique_ptr<Random> make_real_random();
/// Fires the failpoints `files.append` and `files.sync`; `failpoints` must outlive the result.
std::unique_ptr<FileSystem> make_real_files(Failpoints& failpoints);
std::unique_ptr<Network> make_real_network();

/// A variable of the process environment (MILLRACE_DATA, …), or nothing when it is not set or empty.
std::optional<std::string> environment_variable(const std::string& name);

}  // namespace millrace
