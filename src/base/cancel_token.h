// CancelToken: tells work that nobody waits for it any more. Any thread.
#pragma once

#include <functional>
#include <mutex>
#include <utility>

namespace millrace {

class CancelToken {
 public:
  /// Once; ends what registered itself, and what looks later.
  void cancel() {
    std::lock_guard guard(mutex_);
    cancelled_ = true;
    if (end_) end_();
  }
  bool cancelled() const {
    std::lock_guard guard(mutex_);
    return cancelled_;
  }

  /// While it lives, cancel() calls `end`, which must be quick. One at a time. No token: never.
  class Registration {
   public:
    Registration(CancelToken* token, std::function<void()> end) : token_(token) {
      if (token_ == nullptr) return;
      std::lock_guard guard(token_->mutex_);
      token_->end_ = std::move(end);
      if (token_->cancelled_) token_->end_();
    }
    ~Registration() {
      if (token_ == nullptr) return;
      std::lock_guard guard(token_->mutex_);
      token_->end_ = nullptr;
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    CancelToken* token_;
  };

 private:
  mutable std::mutex mutex_;
  bool cancelled_ = false;     // guarded by mutex_
  std::function<void()> end_;  // guarded by mutex_, held while it runs
};

}  // namespace millrace
