#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/real_env.h"

namespace millrace {
namespace {

std::string place(const std::string& host, uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

/// Owns a socket. close() only shuts it down, so that a thread inside a call on it wakes up and never meets a
/// descriptor that was handed out again; the number itself goes back in the destructor.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { ::close(fd_); }
  int get() const { return fd_; }
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  void shut_down() {
    closed_.store(true, std::memory_order_release);
    ::shutdown(fd_, SHUT_RDWR);
  }

 private:
  const int fd_;
  std::atomic<bool> closed_{false};
};

class RealConnection final : public Connection {
 public:
  explicit RealConnection(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {
    const int on = 1;
    ::setsockopt(socket_->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    keep_alive();
  }

  Result<size_t> read(char* buffer, size_t length) override {
    while (true) {
      const ssize_t got = ::recv(socket_->get(), buffer, length, 0);
      if (got >= 0) return static_cast<size_t>(got);
      if (socket_->closed()) return size_t{0};
      if (errno != EINTR) return errno_error("read from the connection", errno);
    }
  }

  Status write(std::span<const char> bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_->get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return errno_error("write to the connection", errno);
      bytes = bytes.subspan(static_cast<size_t>(sent));
    }
    return {};
  }

  void close() override { socket_->shut_down(); }

 private:
  /// A peer whose machine or network is gone says nothing: reads end with an error after about half a minute. One that
  /// thinks for long is asked whether it is there, and waited for.
  void keep_alive() {
    const int on = 1, idle_seconds = 15, interval_seconds = 5, probes = 3;
    const int fd = socket_->get();
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  }

  std::unique_ptr<Socket> socket_;
};

class RealListener final : public Listener {
 public:
  RealListener(std::unique_ptr<Socket> socket, uint16_t port) : socket_(std::move(socket)), port_(port) {}

  Result<std::unique_ptr<Connection>> accept() override {
    while (true) {
      const int fd = ::accept4(socket_->get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) {
        auto socket = std::make_unique<Socket>(fd);
        if (socket_->closed()) return closed_error();
        return std::unique_ptr<Connection>(std::make_unique<RealConnection>(std::move(socket)));
      }
      if (socket_->closed()) return closed_error();
      if (errno != EINTR && errno != ECONNABORTED) return errno_error("accept a connection", errno);
    }
  }

  uint16_t port() const override { return port_; }
  void close() override { socket_->shut_down(); }

 private:
  static Error closed_error() { return external_error(sqlstate::kCancelled, "the listener was closed"); }

  std::unique_ptr<Socket> socket_;
  const uint16_t port_;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family = 0;
};

/// All addresses of a name, IPv4 first: `localhost` must mean 127.0.0.1 to whoever listens and whoever connects.
Result<std::vector<Address>> resolve(const std::string& host, uint16_t port, bool to_listen) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  std::string name = host;
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(name.empty() ? nullptr : name.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code != 0) {
    const std::string reason = code == EAI_SYSTEM ? "system error" : ::gai_strerror(code);
    const Retry retry = code == EAI_AGAIN ? Retry::kBackoff : Retry::kNever;
    return external_error(sqlstate::kUnavailable, "the host name cannot be resolved: " + host + ": " + reason, retry);
  }
  std::vector<Address> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Address address;
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.length = one->ai_addrlen;
    address.family = one->ai_family;
    addresses.push_back(address);
  }
  ::freeaddrinfo(found);
  std::stable_sort(addresses.begin(), addresses.end(),
                   [](const Address& a, const Address& b) { return (a.family == AF_INET) > (b.family == AF_INET); });
  return addresses;
}

const sockaddr* raw(const Address& address) { return reinterpret_cast<const sockaddr*>(&address.storage); }

/// Waits until a started connect is done; 0 or an errno.
int finish_connect(int fd, Duration left, Clock& clock) {
  const Duration deadline{clock.monotonic().micros + left.micros};
  while (true) {
    const int64_t millis = (deadline.micros - clock.monotonic().micros + 999) / 1000;
    if (millis <= 0) return ETIMEDOUT;
    pollfd wait{fd, POLLOUT, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(millis, 1 << 30)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno;
    if (ready == 0) return ETIMEDOUT;
    int outcome = 0;
    socklen_t length = sizeof outcome;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &outcome, &length) < 0) return errno;
    return outcome;
  }
}

class RealNetwork final : public Network {
 public:
  Result<std::unique_ptr<Connection>> connect(const std::string& host, uint16_t port, Duration timeout) override {
    MR_ASSIGN(const auto addresses, resolve(host, port, false));
    const Duration deadline{clock_->monotonic().micros + timeout.micros};
    int last_errno = ECONNREFUSED;
    for (const Address& address : addresses) {
      const int fd = ::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (fd < 0) {
        last_errno = errno;
        continue;
      }
      auto socket = std::make_unique<Socket>(fd);
      int outcome = ::connect(fd, raw(address), address.length) == 0 ? 0 : errno;
      if (outcome == EINPROGRESS || outcome == EINTR) {
        outcome = finish_connect(fd, Duration{deadline.micros - clock_->monotonic().micros}, *clock_);
      }
      if (outcome == 0 && set_blocking(fd)) {
        return std::unique_ptr<Connection>(std::make_unique<RealConnection>(std::move(socket)));
      }
      last_errno = outcome != 0 ? outcome : errno;
    }
    return errno_error("connect to " + place(host, port), last_errno);
  }

  Result<std::unique_ptr<Listener>> listen(const std::string& host, uint16_t port) override {
    MR_ASSIGN(const auto addresses, resolve(host, port, true));
    int last_errno = EADDRNOTAVAIL;
    for (const Address& address : addresses) {
      const int fd = ::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (fd < 0) {
        last_errno = errno;
        continue;
      }
      auto socket = std::make_unique<Socket>(fd);
      const int on = 1;
      ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      if (::bind(fd, raw(address), address.length) == 0 && ::listen(fd, kBacklog) == 0) {
        return std::unique_ptr<Listener>(std::make_unique<RealListener>(std::move(socket), port_of(fd)));
      }
      last_errno = errno;
      if (last_errno == EADDRINUSE) break;
    }
    return errno_error("listen on " + place(host, port), last_errno);
  }

 private:
  static constexpr int kBacklog = 1024;

  static bool set_blocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) >= 0;
  }
  static uint16_t port_of(int fd) {
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) < 0) return 0;
    return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  }

  std::unique_ptr<Clock> clock_ = make_real_clock();
};

}  // namespace

std::unique_ptr<Network> make_real_network() { return std::make_unique<RealNetwork>(); }

}  // namespace millrace
