// Runs work that waits on worker threads and resumes the coroutine that asked, on its own executor.
//
// Private to server/: includes Boost.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>

#include "server/workers.h"

namespace millrace::server {

/// What `work` returned; null, at once, when the workers' queue is full or closed.
template <typename T>
boost::asio::awaitable<std::shared_ptr<T>> run_on_workers(Workers& workers, std::function<std::shared_ptr<T>()> work) {
  namespace asio = boost::asio;
  auto begin = [&workers](auto handler, std::function<std::shared_ptr<T>()> job) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));  // a job must be copyable
    auto executor = asio::get_associated_executor(*shared);
    auto keep_running = asio::make_work_guard(executor);
    auto finish = [shared, executor](std::shared_ptr<T> result) {
      asio::post(executor, [shared, result]() mutable { (*shared)(std::move(result)); });
    };
    bool taken = workers.try_post([finish, job, keep_running] { finish(job()); });
    if (!taken) finish(nullptr);
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::shared_ptr<T>)>(
      begin, asio::use_awaitable, std::move(work));
}

}  // namespace millrace::server
