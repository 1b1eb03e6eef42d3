// How fast playback events are generated: bench_playback TITLES.csv [UNIT_MS] prints one JSON object.
#include <cstdio>
#include <cstdlib>

#include "base/real_env.h"
#include "connectors/generate.h"

int main(int argc, char** argv) {
  using namespace millrace;
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_playback TITLES.csv [UNIT_MS]\n");
    return 2;
  }
  RealEnv env;
  connectors::GeneratePlayback command;
  command.titles_path = argv[1];
  command.options.unit_ms = argc > 2 ? std::atoll(argv[2]) : 2'000'000;
  command.options.window_start_ms = 1'735'689'600'000;
  command.options.window_end_ms = 1'751'328'000'000;
  command.events_sink = [](std::string_view) -> Status { return {}; };
  const int64_t start_us = env.clock().monotonic().micros;
  const auto manifest = connectors::generate_playback(env, command);
  if (!manifest.ok()) {
    std::fprintf(stderr, "%s\n", render(manifest.error()).c_str());
    return 1;
  }
  const double seconds = static_cast<double>(env.clock().monotonic().micros - start_us) / 1e6;
  std::printf(
      "{\"bench\":\"playback_generate\",\"events\":%llu,\"bytes\":%llu,\"seconds\":%.3f,\"events_per_second\":%.0f,"
      "\"bytes_per_second\":%.0f}\n",
      static_cast<unsigned long long>(manifest->lines), static_cast<unsigned long long>(manifest->bytes), seconds,
      static_cast<double>(manifest->lines) / seconds, static_cast<double>(manifest->bytes) / seconds);
  return 0;
}
