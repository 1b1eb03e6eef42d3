// Opens a listening socket. Private to server/: includes Boost.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "base/result.h"

namespace millrace::server {

/// Its executor is a strand. An empty host: every address. Errors name `flag`, the setting that holds the place.
Result<boost::asio::ip::tcp::acceptor> listen_on(boost::asio::io_context& io, const std::string& flag,
                                                 const std::string& host, uint16_t port);

}  // namespace millrace::server
