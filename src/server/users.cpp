#include "server/users.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "base/config.h"
#include "base/secret_bytes.h"
#include "base/text.h"
#include "formats/scalar_format.h"

namespace millrace::server {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kSaltBytes = 16;
constexpr size_t kNonceBytes = 18;  // 24 characters of base64
constexpr size_t kNameBytesMax = 256;
constexpr uint32_t kFreeFailures = 5;  // in a row; the last of them costs a second
constexpr uint32_t kDoublingsMax = 6;
constexpr Duration kBlockMax = Duration::from_seconds(60);

struct RightName {
  std::string_view name;
  Right right;
};
constexpr RightName kRights[] = {{"read", Right::kRead}, {"write", Right::kWrite}, {"admin", Right::kAdmin}};

bool fits(std::string_view pattern, std::string_view lower_name) {
  if (pattern.ends_with('*')) return lower_name.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == lower_name;
}

Error bad_line(std::string message) { return user_error(sqlstate::kInvalidText, std::move(message)); }

}  // namespace

bool User::may(Right right, std::string_view stream) const {
  const std::string name = to_lower_ascii(stream);
  return std::any_of(grants_.begin(), grants_.end(), [&](const Grant& grant) {
    return (grant.right == right || grant.right == Right::kAdmin) && fits(grant.pattern, name);
  });
}

bool User::may_see(std::string_view stream) const {
  const std::string name = to_lower_ascii(stream);
  return std::any_of(grants_.begin(), grants_.end(), [&](const Grant& grant) { return fits(grant.pattern, name); });
}

bool User::may_everything() const {
  return std::any_of(grants_.begin(), grants_.end(),
                     [](const Grant& grant) { return grant.right == Right::kAdmin && grant.pattern == "*"; });
}

Users::Users()
    : secret_(secret_bytes(kSecretBytes)),
      nobodys_{make_verifier(ScramHash::kSha256, secret_, secret_.substr(0, kSaltBytes)),
               make_verifier(ScramHash::kSha512, secret_, secret_.substr(0, kSaltBytes))} {}

Result<std::unique_ptr<Users>> Users::parse(std::string_view text) {
  std::unique_ptr<Users> users(new Users());
  size_t number = 0;
  for (std::string_view line : split_view(text, '\n')) {
    ++number;
    line = trim(line);
    if (line.empty() || line.starts_with('#')) continue;
    Status added = users->add_line(line);
    if (!added.ok()) return Error(added.error()).within("line " + std::to_string(number));
  }
  if (users->users_.empty()) return bad_line("there is no user in it").with_hint("`millrace user NAME` makes a line");
  return users;
}

Result<std::unique_ptr<Users>> Users::read(Env& env, const std::string& path) {
  auto text = env.files().read_all(path);
  if (!text.ok()) return std::move(text).error().within("--users-file");
  auto users = parse(*text);
  if (!users.ok()) return std::move(users).error().within("--users-file " + path);
  return users;
}

Status Users::add_word(User& user, std::string_view word) {
  if (word.starts_with("SCRAM-")) {
    MR_ASSIGN(ScramVerifier verifier, parse_verifier(word));
    user.verifiers_.push_back(std::move(verifier));
    return {};
  }
  const size_t equals = std::min(word.find('='), word.size());
  const std::string_view name = word.substr(0, equals), value = word.substr(std::min(equals + 1, word.size()));
  if (name == "produce_rate" || name == "fetch_rate") {
    MR_ASSIGN(const uint64_t bytes, parse_size(std::string(name), std::string(value)));
    (name == "fetch_rate" ? user.fetch_rate_ : user.produce_rate_) = std::make_unique<ByteRate>(bytes);
    return {};
  }
  const auto right = std::find_if(std::begin(kRights), std::end(kRights),
                                  [&](const RightName& each) { return each.name == name; });
  if (right == std::end(kRights) || value.empty()) {
    return bad_line("this is no verifier, right or rate: " + shorten(word))
        .with_hint("rights are read=…, write=… and admin=…, with names of streams, or beginnings of names and a star");
  }
  for (std::string_view pattern : split_view(value, ',')) {
    if (pattern.empty() || pattern.find('*') < pattern.size() - 1)
      return bad_line("a star may only end a name: " + shorten(word));
    user.grants_.push_back({right->right, to_lower_ascii(pattern)});
  }
  return {};
}

Status Users::add_line(std::string_view line) {
  auto user = std::make_unique<User>();
  for (std::string_view rest = line; !rest.empty();) {
    const size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest = trim(rest.substr(end));
    if (user->name_.empty()) {
      if (find(word) != nullptr) return bad_line("the user " + shorten(word) + " is there twice");
      if (word.size() > kNameBytesMax || word.find(':') != std::string_view::npos)
        return bad_line("a user's name has at most 256 bytes and no colon: " + shorten(word));
      user->name_ = word;
      continue;
    }
    MR_TRY(add_word(*user, word));
  }
  if (user->verifiers_.empty()) return bad_line("the user " + shorten(user->name_) + " has no verifier of a password");
  users_.push_back(std::move(user));
  return {};
}

const User* Users::find(std::string_view name) const {
  for (const auto& user : users_) {
    if (user->name_ == name) return user.get();
  }
  return nullptr;
}

const ScramVerifier* Users::verifier_of(const User* user, ScramHash hash) const {
  if (user == nullptr) return nullptr;
  for (const ScramVerifier& verifier : user->verifiers_) {
    if (verifier.hash == hash) return &verifier;
  }
  return nullptr;
}

std::string Users::seal(std::string_view name, std::string_view password) const {
  // Two texts as one key each: no pair looks like another.
  const ScramVerifier sealed = make_verifier(ScramHash::kSha256, std::string(password) + secret_, name, 1);
  return sealed.stored_key;
}

const User* Users::with_password(std::string_view name, std::string_view password, Duration now) const {
  const User* user = find(name);
  const std::string shown = seal(name, password);
  const std::string key(user != nullptr ? name : std::string_view());
  {
    const std::lock_guard lock(mutex_);
    Memory& memory = memories_[key];
    const bool same =
        memory.seal.size() == shown.size() && CRYPTO_memcmp(memory.seal.data(), shown.data(), shown.size()) == 0;
    if (same) return user;
    if (now < memory.blocked_until) return nullptr;
  }
  const bool right = has_password(user != nullptr ? user->verifiers_[0] : nobodys_[0], password) && user != nullptr;
  const std::lock_guard lock(mutex_);
  Memory& memory = memories_[key];
  if (right) {
    memory = {shown, 0, {}};
    return user;
  }
  if (++memory.failures >= kFreeFailures) {
    const uint32_t doublings = std::min(memory.failures - kFreeFailures, kDoublingsMax);
    memory.blocked_until.micros = now.micros + std::min<int64_t>(kBlockMax.micros, int64_t{1'000'000} << doublings);
  }
  return nullptr;
}

ScramExchange Users::begin(ScramHash hash, ScramFirst first) const {
  const ScramVerifier* verifier = verifier_of(find(first.user), hash);
  const bool known = verifier != nullptr;
  ScramVerifier used = known ? *verifier : nobodys_[static_cast<size_t>(hash)];
  // The salt of nobody: always the same for a name, as a real one is.
  if (!known) used.salt = seal(first.user, {}).substr(0, kSaltBytes);
  std::string nonce;
  formats::append_base64(nonce, secret_bytes(kNonceBytes));
  return {std::move(first), std::move(used), nonce, known};
}

}  // namespace millrace::server
