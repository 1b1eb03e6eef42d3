// The commands that move events: produce, tail, generate, infer.
#pragma once

#include <cstdint>
#include <string>

#include "app/remote.h"
#include "base/env.h"
#include "connectors/generate.h"

namespace millrace::app {

struct ProduceFlags {
  RemoteFlags remote;
  std::string stream;
  std::string file;  ///< empty or "-": standard input
  bool validate = false;
};
int run_produce(Env& env, const ProduceFlags& flags);

struct TailFlags {
  RemoteFlags remote;
  std::string name;
  std::string from = "now";  ///< "now", "beginning" or a position
  std::string format = "table";
};
int run_tail(Env& env, const TailFlags& flags);

struct GenerateFlags {
  RemoteFlags remote;  ///< an empty url: the events go to the folder, or to standard output
  connectors::GeneratePlayback playback;
  std::string stream = "playback";
};
int run_generate_playback(Env& env, const GenerateFlags& flags);

struct GenerateNexmarkFlags {
  RemoteFlags remote;  ///< an empty url: the events go to the file, or to standard output
  connectors::GenerateNexmark nexmark;
  std::string stream = "nexmark";
};
int run_generate_nexmark(Env& env, const GenerateNexmarkFlags& flags);

struct InferFlags {
  std::string file;
  std::string name;    ///< of the stream; empty: from the file's name
  std::string format;  ///< empty: from the file's name and first byte
};
int run_infer(Env& env, const InferFlags& flags);

}  // namespace millrace::app
