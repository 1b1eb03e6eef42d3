#include "server/http_server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
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
#include "server/access.h"
#include "server/listener.h"
#include "server/session.h"
#include "server/session_host.h"

namespace millrace::server {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // when the process has no file descriptors left
constexpr uint64_t kBodyBytesMax = 1ULL << 30;

}  // namespace

struct HttpServer::Rep : SessionHost {
  Rep(Env& env, Metrics& metrics, engine::Node& node, HttpOptions options)
      : SessionHost(env, metrics, node, std::move(options)),
        io(static_cast<int>(this->options().io_threads)),
        acceptor(io) {}

  asio::awaitable<void> accept_connections();
  void add(tcp::socket socket);
  void forget(Session& session) override;
  void close_sessions(bool only_when_idle);
  /// Whether all sessions ended within the timeout.
  bool wait_for_sessions(Duration timeout);

  uint16_t port = 0;
  bool stopped = false;
  std::vector<std::thread> threads;

  std::mutex mutex;  // guards the two below
  std::condition_variable session_ended;
  std::unordered_map<Session*, std::weak_ptr<Session>> sessions;

  asio::io_context io;  // behind the above: sessions that still wait in it go with it
  tcp::acceptor acceptor;
};

asio::awaitable<void> HttpServer::Rep::accept_connections() {
  asio::steady_timer pause(acceptor.get_executor());
  while (!context().stopping) {
    auto [failed, socket] = co_await acceptor.async_accept(asio::make_strand(io), asio::as_tuple(asio::use_awaitable));
    if (failed == asio::error::operation_aborted || failed == asio::error::bad_descriptor) co_return;
    if (!failed) {
      add(std::move(socket));
      continue;
    }
    pause.expires_after(kAcceptPause);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

void HttpServer::Rep::add(tcp::socket socket) {
  auto session = std::make_shared<Session>(std::move(socket), *this);
  {
    const std::lock_guard lock(mutex);
    if (context().stopping || sessions.size() >= options().connections_max) return;  // closes it
    sessions.emplace(session.get(), session);
  }
  session->start();
}

void HttpServer::Rep::forget(Session& session) {
  const std::lock_guard lock(mutex);
  sessions.erase(&session);
  session_ended.notify_all();
}

void HttpServer::Rep::close_sessions(bool only_when_idle) {
  std::vector<std::shared_ptr<Session>> live;  // let go outside the lock: the last one out calls forget
  {
    const std::lock_guard lock(mutex);
    for (auto& [pointer, session] : sessions) {
      if (auto held = session.lock()) live.push_back(std::move(held));
    }
  }
  for (auto& session : live) session->close(only_when_idle);
}

bool HttpServer::Rep::wait_for_sessions(Duration timeout) {
  std::unique_lock lock(mutex);
  return session_ended.wait_for(lock, std::chrono::microseconds(timeout.micros), [&] { return sessions.empty(); });
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(Env& env, Metrics& metrics, engine::Node& node,
                                                      HttpOptions options) {
  MR_TRY(check_listen_allowed(options));
  MR_CHECK(options.body_bytes_max <= kBodyBytesMax, "a request's body must fit into memory");
  auto rep = std::make_unique<Rep>(env, metrics, node, std::move(options));
  MR_ASSIGN(rep->acceptor, listen_on(rep->io, "--listen", rep->options().host, rep->options().port));
  rep->port = rep->acceptor.local_endpoint().port();
  asio::co_spawn(rep->acceptor.get_executor(), rep->accept_connections(), [](std::exception_ptr) {});
  for (uint32_t i = 0; i < rep->options().io_threads; ++i) {
    rep->threads.emplace_back([io = &rep->io] { io->run(); });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(rep)));
}

HttpServer::HttpServer(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

HttpServer::~HttpServer() {
  stop();
  rep_->stop_workers();  // what they finish goes to threads that still run
  rep_->io.stop();
  for (auto& thread : rep_->threads) thread.join();
}

void HttpServer::stop() {
  if (rep_->stopped) return;
  rep_->stopped = true;
  rep_->context().stopping = true;
  asio::post(rep_->acceptor.get_executor(), [rep = rep_.get()] {
    boost::system::error_code ignored;
    rep->acceptor.close(ignored);
  });
  rep_->close_sessions(/*only_when_idle=*/true);
  if (!rep_->wait_for_sessions(rep_->options().stop_timeout)) rep_->close_sessions(/*only_when_idle=*/false);
  rep_->close_workers();
}

uint16_t HttpServer::port() const { return rep_->port; }

std::string HttpServer::url() const {
  std::string host = rep_->options().host.empty() ? "localhost" : rep_->options().host;
  return "http://" + Endpoint{host, rep_->port}.text();
}

}  // namespace millrace::server
