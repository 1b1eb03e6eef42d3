#include "sql/secrets.h"

#include "base/text.h"

namespace millrace::sql {
namespace {

constexpr std::string_view kMask = "***";
constexpr std::string_view kParameter = "password=";

bool ends_url(char c) { return is_space(c) || c == '\'' || c == '"'; }

/// From behind "://": the user and password end at the last @ before the path. Returns how much of `rest` was taken.
size_t mask_authority(std::string_view rest, std::string& out) {
  size_t end = 0;
  while (end < rest.size() && !ends_url(rest[end]) && rest[end] != '/' && rest[end] != '?') ++end;
  size_t at = rest.substr(0, end).rfind('@');
  if (at == std::string_view::npos) return 0;
  size_t colon = rest.substr(0, at).find(':');
  if (colon == std::string_view::npos) return 0;
  out.append(rest.substr(0, colon + 1)).append(kMask);
  return at;
}

}  // namespace

std::string mask_passwords(std::string_view text) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    if (text.substr(at).starts_with("://")) {
      out.append("://");
      at += 3;
      at += mask_authority(text.substr(at), out);
    } else if (iequals(text.substr(at, kParameter.size()), kParameter)) {
      out.append(text.substr(at, kParameter.size())).append(kMask);
      at += kParameter.size();
      while (at < text.size() && !ends_url(text[at]) && text[at] != '&') ++at;
    } else {
      out.push_back(text[at++]);
    }
  }
  return out;
}

}  // namespace millrace::sql
