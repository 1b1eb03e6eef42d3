#include "server/kafka_server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/config.h"
#include "server/kafka/broker.h"
#include "server/kafka/connection.h"
#include "server/listener.h"

namespace millrace::server {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // when the process has no file descriptors left
constexpr auto kTick = std::chrono::milliseconds(10);          // how exact the waits of fetches and groups are

Status check_allowed(const KafkaOptions& options) {
  if (options.users || options.insecure || Endpoint{options.host, 0}.is_loopback()) return {};
  return user_error(sqlstate::kInvalidParameter,
                    "--kafka-listen: others can reach this address, and Kafka clients are not asked who they are: " +
                        (options.host.empty() ? "every address" : options.host))
      .with_hint("name the users with --users-file, or listen on 127.0.0.1; --insecure lets everybody in");
}

}  // namespace

struct KafkaServer::Rep {
  Rep(Env& env, Metrics& metrics, engine::Node& node, std::unique_ptr<kafka::Journal> journal, KafkaOptions options)
      : io(static_cast<int>(options.io_threads)),
        acceptor(io),
        broker(env, metrics, node, *node.raw_log(), std::move(journal), std::move(options)) {}

  asio::awaitable<void> accept_connections();
  asio::awaitable<void> tick();
  void add(tcp::socket socket);
  void forget(kafka::Connection& connection);
  void close_connections(bool only_when_idle);
  bool wait_for_connections(Duration timeout);

  uint16_t port = 0;
  std::unique_ptr<asio::ssl::context> tls;  // null: in the clear
  bool stopped = false;
  std::vector<std::thread> threads;

  std::mutex mutex;  // guards the two below
  std::condition_variable connection_ended;
  std::unordered_map<kafka::Connection*, std::weak_ptr<kafka::Connection>> connections;

  asio::io_context io;  // behind the above: connections that still wait in it go with it
  asio::executor_work_guard<asio::io_context::executor_type> keep_running = asio::make_work_guard(io);
  tcp::acceptor acceptor;
  kafka::Broker broker;
};

asio::awaitable<void> KafkaServer::Rep::accept_connections() {
  asio::steady_timer pause(acceptor.get_executor());
  while (!broker.stopping()) {
    auto [failed, socket] = co_await acceptor.async_accept(asio::make_strand(io), kAwait);
    if (failed == asio::error::operation_aborted || failed == asio::error::bad_descriptor) co_return;
    if (!failed) {
      add(std::move(socket));
      continue;
    }
    pause.expires_after(kAcceptPause);
    co_await pause.async_wait(kAwait);
  }
}

asio::awaitable<void> KafkaServer::Rep::tick() {
  asio::steady_timer timer(io);
  while (!broker.stopping()) {
    timer.expires_after(kTick);
    co_await timer.async_wait(kAwait);
    broker.tick();
  }
}

void KafkaServer::Rep::add(tcp::socket socket) {
  auto connection =
      std::make_shared<kafka::Connection>(std::move(socket), tls.get(), broker,
                                          [this](kafka::Connection& gone) { forget(gone); });
  {
    const std::lock_guard lock(mutex);
    if (broker.stopping() || connections.size() >= broker.options().connections_max) return;  // closes it
    connections.emplace(connection.get(), connection);
  }
  connection->start();
}

void KafkaServer::Rep::forget(kafka::Connection& connection) {
  const std::lock_guard lock(mutex);
  connections.erase(&connection);
  connection_ended.notify_all();
}

void KafkaServer::Rep::close_connections(bool only_when_idle) {
  std::vector<std::shared_ptr<kafka::Connection>> live;  // let go outside the lock: the last one out calls forget
  {
    const std::lock_guard lock(mutex);
    for (auto& [pointer, connection] : connections) {
      if (auto held = connection.lock()) live.push_back(std::move(held));
    }
  }
  for (auto& connection : live) connection->close(only_when_idle);
}

bool KafkaServer::Rep::wait_for_connections(Duration timeout) {
  std::unique_lock lock(mutex);
  return connection_ended.wait_for(lock, std::chrono::microseconds(timeout.micros),
                                   [&] { return connections.empty(); });
}

Result<std::unique_ptr<KafkaServer>> KafkaServer::start(Env& env, Metrics& metrics, engine::Node& node,
                                                        KafkaOptions options) {
  MR_TRY(check_allowed(options));
  if (node.raw_log() == nullptr) {
    return user_error(sqlstate::kNotSupported, "--kafka-listen: the node is in safe mode and serves only SQL");
  }
  MR_ASSIGN(std::shared_ptr<log::Stream> stream, node.raw_log()->broker_stream(kafka::journal_stream_options()));
  MR_ASSIGN(auto journal, kafka::Journal::open(env, std::move(stream), {}));
  auto rep = std::make_unique<Rep>(env, metrics, node, std::move(journal), std::move(options));
  const KafkaOptions& chosen = rep->broker.options();
  if (!chosen.tls_certificate_file.empty() || !chosen.tls_key_file.empty()) {
    MR_ASSIGN(rep->tls,
              make_tls_context(env, "--kafka-tls", chosen.tls_certificate_file, chosen.tls_key_file));
  }
  MR_ASSIGN(rep->acceptor, listen_on(rep->io, "--kafka-listen", chosen.host, chosen.port));
  rep->port = rep->acceptor.local_endpoint().port();
  node.raw_log()->watch([broker = &rep->broker](StreamId stream, PartitionId partition, Offset) {
    broker->waiters().tell({stream, partition});
  });
  asio::co_spawn(rep->acceptor.get_executor(), rep->accept_connections(), [](std::exception_ptr) {});
  asio::co_spawn(rep->io, rep->tick(), [](std::exception_ptr) {});
  for (uint32_t i = 0; i < chosen.io_threads; ++i) {
    rep->threads.emplace_back([io = &rep->io] { io->run(); });
  }
  return std::unique_ptr<KafkaServer>(new KafkaServer(std::move(rep)));
}

KafkaServer::KafkaServer(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

KafkaServer::~KafkaServer() {
  stop();
  rep_->broker.workers().stop();  // what they finish goes to threads that still run
  rep_->io.stop();
  for (auto& thread : rep_->threads) thread.join();
}

void KafkaServer::stop() {
  if (rep_->stopped) return;
  rep_->stopped = true;
  rep_->broker.stop();
  asio::post(rep_->acceptor.get_executor(), [rep = rep_.get()] {
    boost::system::error_code ignored;
    rep->acceptor.close(ignored);
  });
  rep_->close_connections(/*only_when_idle=*/true);
  if (!rep_->wait_for_connections(rep_->broker.options().stop_timeout)) {
    rep_->close_connections(/*only_when_idle=*/false);
  }
  rep_->broker.workers().close();
}

uint16_t KafkaServer::port() const { return rep_->port; }

}  // namespace millrace::server
