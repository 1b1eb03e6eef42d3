// Connection: one Kafka client. Reads requests, has workers begin them in order, and writes the answers in order.
// Runs as coroutines on a strand: its fields need no lock.
//
// A request other than Produce begins when those before it are answered, and the next one after it; so clients see
// what a broker that does one thing after the other would show, while produce requests share one fsync.
//
// Private to server/: includes Boost.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/kafka/broker.h"
#include "server/kafka/request.h"
#include "server/pace.h"
#include "server/transport.h"

namespace millrace::server::kafka {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `tls` null: in the clear.
  Connection(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls, Broker& broker,
             std::function<void(Connection&)> forget);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Starts serving; lives until the connection ends.
  void start();
  /// Closes at once, or when nothing is in hand. Any thread.
  void close(bool only_when_idle);

 private:
  /// A request that is not answered yet.
  struct Slot {
    std::shared_ptr<Request> request;
    std::optional<Answer> answer;
  };

  /// A request of which some bytes are here, or an answer of which not all are gone.
  struct Transfer {
    Pace pace;
    uint64_t bytes = 0;
    Duration moved_at;
  };

  boost::asio::awaitable<void> serve();
  boost::asio::awaitable<void> read_requests();
  /// False when the connection is to end.
  boost::asio::awaitable<bool> read_request(Request& request);
  boost::asio::awaitable<bool> read_bytes(char* into, size_t count);
  boost::asio::awaitable<void> wait_until_pending_at_most(size_t count);
  boost::asio::awaitable<bool> begin(std::shared_ptr<Request> request);
  boost::asio::awaitable<void> write_answers();
  boost::asio::awaitable<bool> write(std::string_view bytes);
  boost::asio::awaitable<void> watch_progress();
  boost::asio::awaitable<void> pause(int64_t millis);
  /// Holds a user's bytes back when they are over its rate.
  boost::asio::awaitable<void> keep_to(ByteRate& (User::*rate)() const, size_t bytes);
  void answered(const std::shared_ptr<Slot>& slot, Answer answer);
  Transfer transfer() const;
  void moved(Transfer& transfer, size_t bytes);
  bool is_too_slow(const std::optional<Transfer>& transfer) const;
  bool is_late() const;
  uint64_t request_bytes_max() const;
  void end();

  Broker& broker_;
  Transport transport_;
  std::function<void(Connection&)> forget_;
  boost::asio::steady_timer changed_;   ///< cancelled when slots_ shrank
  boost::asio::steady_timer answered_;  ///< cancelled when the first slot may be ready
  boost::asio::steady_timer watch_;
  std::deque<std::shared_ptr<Slot>> slots_;
  std::shared_ptr<Login> login_;  ///< null: nobody is asked
  Endpoint reached_;
  std::string peer_;
  std::optional<Transfer> incoming_;
  std::optional<Transfer> outgoing_;
  bool open_ = false;  ///< the TLS handshake is over
  Duration connected_at_;
  Duration moved_at_;  ///< when bytes last came or went
  bool ended_ = false;
};

}  // namespace millrace::server::kafka
