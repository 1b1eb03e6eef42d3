#include "base/failpoints.h"

#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <unordered_set>

#include "base/config.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/text.h"

namespace millrace {

std::vector<uint32_t> RowFaults::apply(uint32_t count, size_t max) const {
  std::vector<uint32_t> left;
  size_t next = 0;
  for (uint32_t row = 0; row < count; ++row) {
    bool harmed = next < rows.size() && rows[next] == row;
    next += harmed;
    if (!harmed || action == FailAction::kRepeat) left.push_back(row);
    if (harmed && action == FailAction::kRepeat && left.size() < max) left.push_back(row);
    if (harmed && action == FailAction::kSwap) left.push_back((row + 1) % count);
  }
  return left;
}

FailPoint::FailPoint(std::string name, Failpoints& owner) : name_(std::move(name)), owner_(owner) {}

uint64_t FailPoint::random() { return mix64(random_state_ += 0x9e3779b97f4a7c15ULL); }

bool FailPoint::triggers() {
  const uint64_t hit = hits_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (rule_.action == FailAction::kOff || hit <= rule_.after) return false;
  if (rule_.one_in > 1 && random() % rule_.one_in != 0) return false;
  return true;
}

Status FailPoint::check_armed() {
  FailRule rule;
  {
    const std::lock_guard lock(mutex_);
    const FailAction action = rule_.action;
    if (action != FailAction::kError && action != FailAction::kDelay && action != FailAction::kAbort) return {};
    if (!triggers()) return {};
    const uint64_t fired = fired_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (rule_.times > 0 && fired >= rule_.times) armed_.store(false, std::memory_order_relaxed);
    rule = rule_;
  }
  switch (rule.action) {
    case FailAction::kError: return errno_error("failpoint " + name_, rule.errno_value);
    case FailAction::kDelay: owner_.clock_.sleep_for(rule.delay); return {};
    default: owner_.abort_at(name_); return errno_error("failpoint " + name_, EIO);
  }
}

RowFaults FailPoint::rows_armed(uint64_t count) {
  const std::lock_guard lock(mutex_);
  RowFaults faults;
  const FailAction action = rule_.action;
  const bool about_rows = action == FailAction::kDrop || action == FailAction::kRepeat || action == FailAction::kSwap;
  if (!about_rows || count < (action == FailAction::kSwap ? 2 : 1) || !triggers()) return faults;

  const uint64_t wanted = std::min(rule_.rows - fired_.load(std::memory_order_relaxed), count);
  faults.action = action;
  // Floyd's sample without repetition: `wanted` distinct numbers below `count`.
  std::unordered_set<uint64_t> chosen;
  for (uint64_t last = count - wanted; last < count; ++last) {
    const uint64_t pick = random() % (last + 1);
    if (!chosen.insert(pick).second) chosen.insert(last);
  }
  faults.rows.assign(chosen.begin(), chosen.end());
  std::sort(faults.rows.begin(), faults.rows.end());
  const uint64_t fired = fired_.fetch_add(wanted, std::memory_order_relaxed) + wanted;
  if (fired >= rule_.rows) armed_.store(false, std::memory_order_relaxed);
  return faults;
}

Failpoints::Failpoints(Clock& clock, uint64_t seed) : clock_(clock), seed_(seed) {}
Failpoints::~Failpoints() = default;

FailPoint& Failpoints::point(std::string_view name) {
  const std::lock_guard lock(mutex_);
  auto at = std::lower_bound(points_.begin(), points_.end(), name,
                             [](const auto& point, std::string_view wanted) { return point->name() < wanted; });
  if (at != points_.end() && (*at)->name() == name) return **at;
  auto made = std::make_unique<FailPoint>(std::string(name), *this);
  made->random_state_ = seed_ ^ hash_bytes(name);
  return **points_.insert(at, std::move(made));
}

void Failpoints::set(std::string_view name, FailRule rule) {
  FailPoint& target = point(name);
  const std::lock_guard lock(target.mutex_);
  target.hits_.store(0, std::memory_order_relaxed);
  target.fired_.store(0, std::memory_order_relaxed);
  target.rule_ = rule;
  target.armed_.store(rule.action != FailAction::kOff, std::memory_order_relaxed);
}

Status Failpoints::configure(std::string_view text) {
  std::vector<std::pair<std::string, FailRule>> rules;
  for (const std::string_view part : split_view(text, ';')) {
    const std::string_view item = trim(part);
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    const std::string_view name = trim(item.substr(0, equals));
    if (equals == std::string_view::npos || name.empty()) {
      return user_error(sqlstate::kInvalidParameter,
                        "a failpoint is written name=action, not '" + std::string(item) + "'");
    }
    MR_ASSIGN(const FailRule rule, parse_fail_rule(name, item.substr(equals + 1)));
    rules.emplace_back(name, rule);
  }
  for (const auto& [name, rule] : rules) set(name, rule);
  return {};
}

void Failpoints::clear() {
  const std::lock_guard lock(mutex_);
  for (const auto& point : points_) {
    const std::lock_guard point_lock(point->mutex_);
    point->rule_ = FailRule();
    point->armed_.store(false, std::memory_order_relaxed);
  }
}

void Failpoints::reseed(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  seed_ = seed;
  for (const auto& point : points_) {
    const std::lock_guard point_lock(point->mutex_);
    point->random_state_ = seed ^ hash_bytes(point->name());
  }
}

void Failpoints::on_abort(std::function<void(const std::string&)> handler) {
  const std::lock_guard lock(mutex_);
  on_abort_ = std::move(handler);
}

std::vector<const FailPoint*> Failpoints::points() const {
  const std::lock_guard lock(mutex_);
  std::vector<const FailPoint*> all;
  for (const auto& point : points_) all.push_back(point.get());
  return all;
}

void Failpoints::abort_at(const std::string& point) {
  std::function<void(const std::string&)> handler;
  {
    const std::lock_guard lock(mutex_);
    handler = on_abort_;
  }
  if (handler) return handler(point);
  ::kill(::getpid(), SIGKILL);
}

namespace {

struct NamedErrno {
  std::string_view name;
  int value;
};

constexpr NamedErrno kErrnos[] = {
    {"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT},         {"EACCES", EACCES},       {"EROFS", EROFS},
    {"EMFILE", EMFILE}, {"ENOENT", ENOENT}, {"ECONNRESET", ECONNRESET}, {"ETIMEDOUT", ETIMEDOUT}, {"EAGAIN", EAGAIN}};

Result<int> parse_errno(std::string_view name, std::string_view text) {
  if (text.empty()) return EIO;
  for (const NamedErrno& known : kErrnos) {
    if (iequals(known.name, text)) return known.value;
  }
  auto number = parse_integer(name, text, 1, 4095);
  if (number.ok()) return static_cast<int>(*number);
  return user_error(sqlstate::kInvalidParameter, "the failpoint " + std::string(name) +
                                                     " takes an errno like EIO or ENOSPC, or its number, not '" +
                                                     std::string(text) + "'");
}

Status parse_action(std::string_view name, std::string_view text, FailRule& rule) {
  const size_t open = text.find('(');
  const std::string_view verb = trim(text.substr(0, open));
  std::string_view argument;
  if (open != std::string_view::npos) {
    if (!text.ends_with(')')) {
      return user_error(sqlstate::kInvalidParameter,
                        "the failpoint " + std::string(name) + " lacks a closing parenthesis");
    }
    argument = trim(text.substr(open + 1, text.size() - open - 2));
  }
  MR_ASSIGN(const auto word, parse_choice(name, verb, {"error", "drop", "repeat", "swap", "delay", "abort", "off"}));
  if (word == "error") {
    rule.action = FailAction::kError;
    MR_ASSIGN(rule.errno_value, parse_errno(name, argument));
  } else if (word == "delay") {
    rule.action = FailAction::kDelay;
    MR_ASSIGN(rule.delay, parse_duration(name, argument));
  } else if (word == "abort") {
    rule.action = FailAction::kAbort;
  } else if (word != "off") {
    rule.action = word == "drop" ? FailAction::kDrop : word == "repeat" ? FailAction::kRepeat : FailAction::kSwap;
    MR_ASSIGN(const int64_t rows, parse_integer(name, argument.empty() ? "1" : argument, 1, int64_t{1} << 40));
    rule.rows = static_cast<uint64_t>(rows);
  }
  return {};
}

}  // namespace

Result<FailRule> parse_fail_rule(std::string_view name, std::string_view text) {
  const auto parts = split_view(text, ',');
  FailRule rule;
  MR_TRY(parse_action(name, trim(parts[0]), rule));
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string_view option = trim(parts[i]);
    const size_t equals = option.find('=');
    MR_ASSIGN(const auto key, parse_choice(name, option.substr(0, equals), {"after", "times", "one_in"}));
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : option.substr(equals + 1);
    MR_ASSIGN(const int64_t number,
              parse_integer(std::string(name) + "," + std::string(key), value, 1, int64_t{1} << 40));
    uint64_t& field = key == "after" ? rule.after : key == "times" ? rule.times : rule.one_in;
    field = static_cast<uint64_t>(number);
  }
  return rule;
}

}  // namespace millrace
