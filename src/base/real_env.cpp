#include <sys/random.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "base/failpoints.h"
#include "base/hash.h"
#include "base/real_env.h"

namespace millrace {
namespace {

int64_t micros_of(const timespec& t) { return static_cast<int64_t>(t.tv_sec) * 1000000 + t.tv_nsec / 1000; }

class RealClock final : public Clock {
 public:
  Timestamp now() override {
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    return Timestamp{micros_of(t)};
  }

  Duration monotonic() override {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return Duration{micros_of(t)};
  }

  void sleep_for(Duration duration) override {
    if (duration.micros <= 0) return;
    timespec left{};
    left.tv_sec = duration.micros / 1000000;
    left.tv_nsec = (duration.micros % 1000000) * 1000;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
  }
};

/// SplitMix64 over an atomic state, seeded by the kernel: good spread, no lock, not for secrets.
class RealRandom final : public Random {
 public:
  RealRandom() {
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
      timespec t{};
      clock_gettime(CLOCK_REALTIME, &t);
      seed = static_cast<uint64_t>(t.tv_sec) * 1000000007U + static_cast<uint64_t>(t.tv_nsec);
    }
    state_.store(seed, std::memory_order_relaxed);
  }

  uint64_t next() override { return mix64(state_.fetch_add(0x9e3779b97f4a7c15ULL, std::memory_order_relaxed)); }

 private:
  std::atomic<uint64_t> state_{0};
};

}  // namespace

std::unique_ptr<Clock> make_real_clock() { return std::make_unique<RealClock>(); }
std::unique_ptr<Random> make_real_random() { return std::make_unique<RealRandom>(); }

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

RealEnv::RealEnv()
    : clock_(make_real_clock()),
      failpoints_(std::make_unique<Failpoints>(*clock_)),
      random_(make_real_random()),
      files_(make_real_files(*failpoints_)),
      network_(make_real_network()) {}

RealEnv::~RealEnv() = default;

}  // namespace millrace
