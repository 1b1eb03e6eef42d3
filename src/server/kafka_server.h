// KafkaServer: the streams and tables of a node as topics, for Kafka clients. docs/kafka.md says what they can expect.
//
// A few threads read and write sockets; what waits (the disk, SQL) runs on worker threads. The answers of a connection
// go out in the order of its requests; produce requests are taken while earlier ones wait for the disk. Memory is
// bounded: requests and answers in hand share one budget, and no length from outside is allocated before it is checked.
//
// start, stop and the destructor are for one thread; the node must outlive the server.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/config.h"
#include "base/env.h"
#include "base/metrics.h"
#include "base/result.h"
#include "engine/node.h"
#include "server/kafka/group_limits.h"
#include "server/users.h"

namespace millrace::server {

struct KafkaOptions {
  std::string host = "127.0.0.1";      ///< a name or an address; IPv6 without brackets
  uint16_t port = 8792;                ///< 0: a free one, see port()
  std::optional<Endpoint> advertised;  ///< the address that clients are told; nothing: the one they reached us by
  bool insecure = false;               ///< listens beyond loopback although nobody is asked who they are
  /// Who may connect; null: everybody. Clients log in with SASL.
  std::shared_ptr<const Users> users;
  std::string tls_certificate_file, tls_key_file;  ///< PEM; both empty: in the clear
  /// Topics that a client asks for and that are not there are made with so many partitions; 0: never.
  int32_t auto_create_partitions = 1;

  uint32_t io_threads = 2;
  uint32_t request_threads = 8;
  uint32_t queued_requests_max = 4096;
  uint32_t connections_max = 4096;
  uint32_t pipelined_max = 64;                ///< requests of a connection that wait for their answer
  uint64_t request_bytes_max = 100ULL << 20;  ///< a longer one ends the connection
  uint64_t bytes_in_hand_max = 512ULL << 20;  ///< of all requests and answers
  uint64_t fetch_bytes_max = 32ULL << 20;     ///< of one fetch answer, unless its first batch is larger
  kafka::GroupLimits groups;
  Duration fetch_wait_max = Duration::from_seconds(60);
  Duration idle_timeout = Duration::from_seconds(600);     ///< between requests
  Duration progress_timeout = Duration::from_seconds(30);  ///< of a request half sent, or an answer not taken
  uint64_t bytes_per_second_min = 4 << 10;  ///< of a request and of an answer, beyond the first progress_timeout of each
  uint64_t login_bytes_max = 10 << 10;                     ///< of a request before the login
  Duration login_timeout = Duration::from_seconds(30);     ///< of the TLS handshake too
  Duration failed_login_delay = Duration::from_millis(500);
  Duration stop_timeout = Duration::from_seconds(3);       ///< for what is in hand when the server stops
};

class KafkaServer {
 public:
  /// Listens and serves from now on. A taken port is a kObjectInUse error that names --kafka-listen.
  static Result<std::unique_ptr<KafkaServer>> start(Env& env, Metrics& metrics, engine::Node& node,
                                                    KafkaOptions options);
  /// Stops.
  ~KafkaServer();
  KafkaServer(const KafkaServer&) = delete;
  KafkaServer& operator=(const KafkaServer&) = delete;

  /// Takes no more requests, lets those in hand finish for up to stop_timeout, then closes. Before Node::stop.
  void stop();

  uint16_t port() const;

 private:
  struct Rep;
  explicit KafkaServer(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace millrace::server
