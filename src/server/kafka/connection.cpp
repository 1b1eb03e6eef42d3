#include "server/kafka/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "server/run_on_workers.h"

namespace millrace::server::kafka {

namespace asio = boost::asio;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr int64_t kBusyPauseMs = 20;
constexpr int64_t kRatePauseMs = 200;
constexpr int64_t kWatchMs = 2000;
constexpr size_t kPieceBytes = 1 << 20;
/// Of a request, what is allocated before its bytes come: a length alone costs no more than this.
constexpr size_t kFirstPieceBytes = 64 << 10;

Endpoint endpoint_of(const asio::ip::tcp::endpoint& endpoint) {
  auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return Endpoint{address.to_string(), endpoint.port()};
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, asio::ssl::context* tls, Broker& broker,
                       std::function<void(Connection&)> forget)
    : broker_(broker),
      transport_(std::move(socket), tls),
      forget_(std::move(forget)),
      changed_(transport_.get_executor()),
      answered_(transport_.get_executor()),
      watch_(transport_.get_executor()) {
  broker_.connections.add(1);
}

Connection::~Connection() {
  broker_.connections.add(-1);
  forget_(*this);
}

void Connection::start() {
  boost::system::error_code failed;
  asio::ip::tcp::socket& socket = transport_.socket();
  socket.set_option(asio::ip::tcp::no_delay(true), failed);
  reached_ = endpoint_of(socket.local_endpoint(failed));
  const Endpoint peer = endpoint_of(socket.remote_endpoint(failed));
  peer_ = peer.host;
  connected_at_ = moved_at_ = broker_.env().clock().monotonic();
  // Passwords as they are may pass where nobody can listen in.
  const bool private_way = transport_.encrypted() || peer.is_loopback();
  if (broker_.users() != nullptr) login_ = std::make_shared<Login>(*broker_.users(), private_way);
  auto self = shared_from_this();
  auto done = [self](std::exception_ptr) { self->end(); };  // out of memory, at worst: this connection ends
  asio::co_spawn(transport_.get_executor(), serve(), done);
  asio::co_spawn(transport_.get_executor(), watch_progress(), done);
}

void Connection::close(bool only_when_idle) {
  asio::post(transport_.get_executor(), [self = shared_from_this(), only_when_idle] {
    if (!only_when_idle || (self->slots_.empty() && !self->outgoing_)) self->end();
  });
}

void Connection::end() {
  if (ended_) return;
  ended_ = true;
  boost::system::error_code ignored;
  transport_.socket().close(ignored);
  changed_.cancel();
  answered_.cancel();
  watch_.cancel();
}

asio::awaitable<void> Connection::serve() {
  auto [failed] = co_await transport_.async_handshake(kAwait);
  if (failed) co_return end();
  open_ = true;
  auto self = shared_from_this();
  asio::co_spawn(transport_.get_executor(), write_answers(), [self](std::exception_ptr) { self->end(); });
  co_await read_requests();
}

asio::awaitable<void> Connection::pause(int64_t millis) {
  asio::steady_timer timer(transport_.get_executor(), std::chrono::milliseconds(millis));
  co_await timer.async_wait(kAwait);
}

asio::awaitable<void> Connection::keep_to(ByteRate& (User::*rate)() const, size_t bytes) {
  if (!login_ || login_->user() == nullptr) co_return;
  ByteRate& limit = (login_->user()->*rate)();
  if (!limit.limited()) co_return;
  Duration left = limit.take(bytes, broker_.env().clock().monotonic());
  for (; left > Duration{} && !ended_; left.micros -= kRatePauseMs * 1000) {
    co_await pause(std::min(left.micros / 1000 + 1, kRatePauseMs));
  }
}

asio::awaitable<bool> Connection::read_bytes(char* into, size_t count) {
  size_t got = 0;
  while (got < count) {
    auto [failed, piece] = co_await transport_.async_read_some(asio::buffer(into + got, count - got), kAwait);
    if (failed) co_return false;
    got += piece;
    if (!incoming_) incoming_.emplace(transfer());
    moved(*incoming_, piece);
  }
  co_return true;
}

asio::awaitable<bool> Connection::read_request(Request& request) {
  char head[4];
  incoming_.reset();
  bool got = co_await read_bytes(head, sizeof head);
  if (!got) co_return false;
  auto length = load_big<int32_t>(head);
  if (length < 8 || static_cast<uint64_t>(length) > request_bytes_max()) co_return false;
  request.claim = ByteBudget::Claim(broker_.budget());
  auto left = static_cast<size_t>(length);
  while (left > 0) {
    // Memory follows the bytes that came: it doubles, so that a long request is copied once at most.
    size_t piece = std::min(left, std::max(kFirstPieceBytes, request.bytes.size()));
    while (!request.claim.add(piece)) {
      if (ended_) co_return false;
      co_await pause(kBusyPauseMs);
      incoming_.emplace(transfer());  // it is us who are slow
    }
    size_t before = request.bytes.size();
    request.bytes.resize(before + piece);
    got = co_await read_bytes(request.bytes.data() + before, piece);
    if (!got) co_return false;
    left -= piece;
  }
  incoming_.reset();
  broker_.received_bytes.add(request.bytes.size());
  broker_.requests.add(1);
  request.reached = broker_.options().advertised.value_or(reached_);
  request.peer = peer_;
  request.login = login_;
  co_return read_head(request);
}

asio::awaitable<void> Connection::wait_until_pending_at_most(size_t count) {
  while (slots_.size() > count && !ended_) {
    changed_.expires_at(asio::steady_timer::time_point::max());
    co_await changed_.async_wait(kAwait);
  }
}

asio::awaitable<bool> Connection::begin(std::shared_ptr<Request> request) {
  auto slot = std::make_shared<Slot>();
  slot->request = request;
  slots_.push_back(slot);
  // Held until the answer is posted, so that the executor is there for it.
  broker_.workers().hold();
  auto responded = std::make_shared<std::atomic_flag>();
  Respond respond = [self = shared_from_this(), slot, responded](Answer answer) {
    if (responded->test_and_set()) return;
    auto held = self;
    asio::post(held->transport_.get_executor(),
               [held, slot, answer = std::move(answer)]() mutable { held->answered(slot, std::move(answer)); });
    held->broker_.workers().release();
  };
  Broker& broker = broker_;
  std::function<void(std::function<void(std::shared_ptr<bool>)>)> work =
      [&broker, request, respond](const std::function<void(std::shared_ptr<bool>)>& resume) {
        auto resumed = std::make_shared<bool>(false);  // this thread only
        auto proceed = [resumed, resume] {
          if (!*resumed) resume(std::make_shared<bool>(true));
          *resumed = true;
        };
        try {
          handler_of (*request)(broker, request, respond, proceed);
        } catch (const std::exception&) {  // out of memory before there was an answer
          respond({std::nullopt, true});
        }
        proceed();
      };
  while (!ended_) {
    auto begun = co_await begin_on_workers<bool>(broker_.workers(), work);
    if (begun) co_return true;
    if (broker_.stopping()) break;
    co_await pause(kBusyPauseMs);
  }
  respond({std::nullopt, true});
  co_return false;
}

asio::awaitable<void> Connection::read_requests() {
  while (!ended_ && !broker_.stopping()) {
    auto request = std::make_shared<Request>();
    bool got = co_await read_request(*request);
    if (!got) break;
    const bool pipelined = request->key == ApiKey::kProduce;
    if (pipelined) co_await keep_to(&User::produce_rate, request->bytes.size());
    co_await wait_until_pending_at_most(pipelined ? broker_.options().pipelined_max : 0);
    if (ended_) break;
    bool begun = co_await begin(std::move(request));
    if (!begun) break;
    if (!pipelined) co_await wait_until_pending_at_most(0);
  }
  // What was taken is answered although no more comes.
  co_await wait_until_pending_at_most(0);
  end();
}

void Connection::answered(const std::shared_ptr<Slot>& slot, Answer answer) {
  slot->answer = std::move(answer);
  if (!slots_.empty() && slots_.front()->answer) answered_.cancel();
}

asio::awaitable<bool> Connection::write(std::string_view bytes) {
  outgoing_.emplace(transfer());
  while (!bytes.empty()) {
    auto piece = bytes.substr(0, kPieceBytes);
    auto [failed, count] = co_await transport_.async_write_some(asio::buffer(piece.data(), piece.size()), kAwait);
    if (failed) co_return false;
    bytes.remove_prefix(count);
    moved(*outgoing_, count);
  }
  outgoing_.reset();
  co_return true;
}

asio::awaitable<void> Connection::write_answers() {
  while (!ended_) {
    if (slots_.empty() || !slots_.front()->answer) {
      answered_.expires_at(asio::steady_timer::time_point::max());
      co_await answered_.async_wait(kAwait);
      continue;
    }
    std::shared_ptr<Slot> slot = slots_.front();
    if (slot->answer->close) break;
    if (slot->answer->delay > Duration{}) co_await pause(slot->answer->delay.micros / 1000);
    if (slot->answer->bytes && slot->request->key == ApiKey::kFetch) {
      co_await keep_to(&User::fetch_rate, slot->answer->bytes->size());
    }
    bool written = true;
    if (slot->answer->bytes) written = co_await write(*slot->answer->bytes);
    if (!written || slot->answer->last) break;
    slots_.pop_front();
    changed_.cancel();
  }
  end();
}

Connection::Transfer Connection::transfer() const {
  Clock& clock = broker_.env().clock();
  return {{clock, broker_.options().progress_timeout, broker_.options().bytes_per_second_min}, 0, clock.monotonic()};
}

void Connection::moved(Transfer& transfer, size_t bytes) {
  transfer.bytes += bytes;
  transfer.moved_at = moved_at_ = broker_.env().clock().monotonic();
}

bool Connection::is_too_slow(const std::optional<Transfer>& transfer) const {
  if (!transfer) return false;
  const Duration silent{broker_.env().clock().monotonic().micros - transfer->moved_at.micros};
  return silent > broker_.options().progress_timeout || transfer->pace.patience(transfer->bytes).micros <= 0;
}

/// A stranger gets little: memory for a name and a password, and half a minute to show them.
uint64_t Connection::request_bytes_max() const {
  const KafkaOptions& options = broker_.options();
  return login_ && login_->user() == nullptr ? options.login_bytes_max : options.request_bytes_max;
}

/// With the TLS handshake, or with the login.
bool Connection::is_late() const {
  if (open_ && (!login_ || login_->user() != nullptr)) return false;
  const Duration here{broker_.env().clock().monotonic().micros - connected_at_.micros};
  return here > broker_.options().login_timeout;
}

/// A client that is slow to send the rest of a request or to take its answer, or is silent for long, holds nothing.
asio::awaitable<void> Connection::watch_progress() {
  const Duration period{std::min(kWatchMs * 1000, broker_.options().progress_timeout.micros / 4)};
  while (!ended_) {
    watch_.expires_after(std::chrono::microseconds(period.micros));
    co_await watch_.async_wait(kAwait);
    const Duration silent{broker_.env().clock().monotonic().micros - moved_at_.micros};
    const bool idle = slots_.empty() && !incoming_ && !outgoing_ && silent > broker_.options().idle_timeout;
    if (idle || is_late() || is_too_slow(incoming_) || is_too_slow(outgoing_)) end();
  }
}

}  // namespace millrace::server::kafka
