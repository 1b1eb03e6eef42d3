#include "engine/space_guard.h"

#include "base/text.h"

namespace millrace::engine {
namespace {

constexpr int64_t kAskUs = 100000;

}  // namespace

Status SpaceGuard::check() {
  if (low_space_bytes_ == 0) return {};
  int64_t now_us = env_.clock().monotonic().micros;
  int64_t asked_at_us = asked_at_us_.load(std::memory_order_relaxed);
  bool due = asked_at_us == INT64_MIN || now_us - asked_at_us >= kAskUs;
  // Of many threads one asks; the others go by what was found before.
  if (due && asked_at_us_.compare_exchange_strong(asked_at_us, now_us, std::memory_order_relaxed)) {
    MR_ASSIGN(uint64_t free, env_.files().free_bytes(directory_));
    free_bytes_.store(free, std::memory_order_relaxed);
  }
  uint64_t free = free_bytes_.load(std::memory_order_relaxed);
  if (free >= low_space_bytes_) return {};
  return external_error(sqlstate::kDiskFull,
                        "the disk of the data directory is nearly full, nothing was stored: " + format_bytes(free) +
                            " are free, below the mark of " + format_bytes(low_space_bytes_),
                        Retry::kBackoff)
      .with_hint("free some space, or shorten the retention of a stream; ingest goes on by itself (mark: --low-space)");
}

}  // namespace millrace::engine
