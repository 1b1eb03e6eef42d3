#include "server/listener.h"

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/strand.hpp>

#include "base/config.h"

namespace millrace::server {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

struct Place {
  const std::string& flag;
  const std::string& host;
  uint16_t port;
};

Error listen_error(const Place& place, const boost::system::error_code& failed) {
  std::string where = place.flag + " " + Endpoint{place.host, place.port}.text();
  if (failed == asio::error::address_in_use) {
    return external_error(sqlstate::kObjectInUse, where + ": another program listens there")
        .with_hint("choose another place with " + place.flag + " HOST:PORT; port 0 takes a free one");
  }
  return external_error(sqlstate::kIoError, where + ": " + failed.message())
      .with_hint(place.flag + " takes an address of this machine");
}

Result<tcp::endpoint> resolve(asio::io_context& io, const Place& place) {
  if (place.host.empty()) return tcp::endpoint(tcp::v6(), place.port);
  boost::system::error_code failed;
  tcp::resolver resolver(io);
  auto found = resolver.resolve(place.host, std::to_string(place.port), tcp::resolver::passive, failed);
  if (failed) return listen_error(place, failed);
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

}  // namespace

Result<tcp::acceptor> listen_on(asio::io_context& io, const std::string& flag, const std::string& host, uint16_t port) {
  const Place place{flag, host, port};
  MR_ASSIGN(tcp::endpoint endpoint, resolve(io, place));
  tcp::acceptor acceptor(asio::make_strand(io));
  boost::system::error_code failed;
  acceptor.open(endpoint.protocol(), failed);
  if (failed && host.empty()) {  // a machine without IPv6
    endpoint = tcp::endpoint(tcp::v4(), port);
    acceptor.open(endpoint.protocol(), failed);
  }
  if (failed) return listen_error(place, failed);
  boost::system::error_code ignored;
  if (host.empty() && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), ignored);
  acceptor.set_option(tcp::acceptor::reuse_address(true), ignored);
  acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) return listen_error(place, failed);
  return acceptor;
}

}  // namespace millrace::server
