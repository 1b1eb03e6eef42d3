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
#include <optional>

#include "server/workers.h"

namespace millrace::server {

/// A coroutine that waits for a result from other threads, and the means to resume it.
template <typename T, typename Handler>
class Awaited {
 public:
  Awaited(Workers& workers, Handler handler)
      : workers_(workers),
        executor_(boost::asio::get_associated_executor(handler)),
        keep_running_(boost::asio::make_work_guard(*executor_)),
        handler_(std::make_shared<Handler>(std::move(handler))) {
    workers_.hold();
  }

  /// Once. Afterwards nothing here touches the coroutine's executor any more, which may end before this object.
  void resume(std::shared_ptr<T> result) {
    boost::asio::post(*executor_, [handler = std::move(handler_), result] { (*handler)(result); });
    keep_running_.reset();
    executor_.reset();
    workers_.release();
  }

 private:
  using Executor = boost::asio::associated_executor_t<Handler>;
  Workers& workers_;
  std::optional<Executor> executor_;
  std::optional<boost::asio::executor_work_guard<Executor>> keep_running_;
  std::shared_ptr<Handler> handler_;
};

/// Begins `work` on a worker and resumes with what it hands to its argument, once, then or later, from any thread;
/// null, at once, when the workers' queue is full or closed.
template <typename T>
boost::asio::awaitable<std::shared_ptr<T>> begin_on_workers(
    Workers& workers, std::function<void(std::function<void(std::shared_ptr<T>)>)> work) {
  namespace asio = boost::asio;
  auto begin = [&workers](auto handler, std::function<void(std::function<void(std::shared_ptr<T>)>)> job) {
    auto awaited = std::make_shared<Awaited<T, decltype(handler)>>(workers, std::move(handler));
    auto resume = [awaited](std::shared_ptr<T> result) { awaited->resume(std::move(result)); };
    if (!workers.try_post([resume, job = std::move(job)] { job(resume); })) resume(nullptr);
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::shared_ptr<T>)>(
      begin, asio::use_awaitable, std::move(work));
}

/// What `work` returned; null, at once, when the workers' queue is full or closed.
template <typename T>
boost::asio::awaitable<std::shared_ptr<T>> run_on_workers(Workers& workers, std::function<std::shared_ptr<T>()> work) {
  std::function<void(std::function<void(std::shared_ptr<T>)>)> job =
      [work = std::move(work)](const std::function<void(std::shared_ptr<T>)>& resume) { resume(work()); };
  co_return co_await begin_on_workers<T>(workers, std::move(job));
}

}  // namespace millrace::server
