#include "base/simulated_env.h"

#include "base/hash.h"

namespace millrace {

void SimulatedClock::advance(Duration duration) {
  if (duration.micros <= 0) return;
  now_micros_.fetch_add(duration.micros, std::memory_order_relaxed);
  monotonic_micros_.fetch_add(duration.micros, std::memory_order_relaxed);
}

uint64_t SeededRandom::next() {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
  return mix64(state_.fetch_add(kGolden, std::memory_order_relaxed) + kGolden);
}

SimulatedEnv::SimulatedEnv(uint64_t seed, bool single_threaded)
    : single_threaded_(single_threaded),
      random_(mix64(seed ^ 0x72616e646f6dULL)),
      failpoints_(clock_, mix64(seed ^ 0x6661696c73ULL)),
      files_(failpoints_, mix64(seed ^ 0x66696c6573ULL)) {
  failpoints_.on_abort([this](const std::string&) { crash(); });
}

SimulatedEnv::~SimulatedEnv() = default;

void SimulatedEnv::crash() {
  files_.crash();
  network_.cut_all();
}

void SimulatedEnv::power_cut(Survival survival) {
  files_.power_cut(survival);
  network_.cut_all();
}

void SimulatedEnv::restart() { files_.restart(); }

}  // namespace millrace
