#include "server/kafka/login.h"

#include <algorithm>

#include "base/text.h"

namespace millrace::server::kafka {
namespace {

constexpr std::string_view kPlain = "PLAIN";

Login::Step failed(std::string message = "the name or the password is not right") {
  return {Code::kSaslAuthenticationFailed, std::move(message), {}};
}

}  // namespace

std::vector<std::string> Login::mechanisms() const {
  std::vector<std::string> names{std::string(name_of(ScramHash::kSha256)), std::string(name_of(ScramHash::kSha512))};
  if (plain_) names.emplace_back(kPlain);
  return names;
}

Code Login::choose(std::string_view mechanism) {
  if (user() != nullptr || !mechanism_.empty()) return Code::kIllegalSaslState;
  const std::vector<std::string> known = mechanisms();
  if (std::find(known.begin(), known.end(), mechanism) == known.end()) return Code::kUnsupportedSaslMechanism;
  mechanism_ = mechanism;
  return Code::kNone;
}

Login::Step Login::take(std::string_view bytes, Duration now) {
  if (user() != nullptr || mechanism_.empty()) return {Code::kIllegalSaslState, "no mechanism was chosen", {}};
  return mechanism_ == kPlain ? check_plain(bytes, now) : check_scram(bytes);
}

Login::Step Login::check_plain(std::string_view bytes, Duration now) {
  const std::vector<std::string_view> parts = split_view(bytes, '\0');
  if (parts.size() != 3) return failed("a PLAIN message is a name to act for, a name and a password");
  if (!parts[0].empty() && parts[0] != parts[1]) return failed("acting for another user is not supported");
  user_ = users_.with_password(parts[1], parts[2], now);
  return user() == nullptr ? failed() : Step{};
}

Login::Step Login::check_scram(std::string_view bytes) {
  if (!exchange_) {
    auto first = parse_scram_first(bytes);
    if (!first.ok()) return failed(first.error().message);
    name_ = first->user;
    exchange_.emplace(users_.begin(*scram_hash_of(mechanism_), std::move(*first)));
    return {Code::kNone, {}, exchange_->challenge()};
  }
  const std::optional<std::string> proof = exchange_->verify(bytes);
  exchange_.reset();
  if (!proof) {
    mechanism_.clear();
    return failed();
  }
  user_ = users_.find(name_);
  return {Code::kNone, {}, *proof};
}

}  // namespace millrace::server::kafka
