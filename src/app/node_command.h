// `millrace run` and `millrace start`: a node in this process until it is told to stop, or until bounded input is done.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "engine/node.h"

namespace millrace::app {

/// What `run` and `start` share. Text values are checked by node_options.
struct NodeFlags {
  std::string data;
  std::string listen = "127.0.0.1:8780";
  bool listen_given = false;      ///< on the command line: --once serves only then
  std::string kafka_listen;       ///< empty: no Kafka listener
  std::string kafka_advertise;    ///< empty: clients are told the address that they reached us by
  std::string kafka_tls_certificate, kafka_tls_key;  ///< files; empty: in the clear
  int32_t kafka_auto_create = 1;  ///< partitions of topics that clients make by asking for them; 0: none are made
  std::string postgres_listen;
  std::string auth_token_file, users_file;
  bool insecure = false;
  uint32_t workers = 1;
  std::string memory = "4GiB";
  std::string low_space = "256MiB";
};

struct RunFlags {
  NodeFlags node;
  std::string pipeline;
  std::vector<std::string> settings;  ///< "name=value"
  bool once = false;
};

int run_pipeline(Env& env, const RunFlags& flags);
int start_node(Env& env, const NodeFlags& flags);

/// "name=value" texts as a map; the last of equal names counts.
Result<std::map<std::string, std::string>> parse_settings(const std::vector<std::string>& settings);
Result<engine::NodeOptions> node_options(const NodeFlags& flags);
/// `path` seen from the root, so that it means the same later.
std::string absolute_path(const std::string& path);

}  // namespace millrace::app
