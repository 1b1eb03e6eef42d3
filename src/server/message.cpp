#include "server/message.h"

#include "base/text.h"

namespace millrace::server {
namespace {

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  c = to_lower_ascii(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      bool whole = text.size() - i > 2;
      int high = whole ? hex_value(text[i + 1]) : -1;
      int low = whole ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return user_error(sqlstate::kInvalidText,
                          "the address has a % that two hex digits do not follow: " + shorten(text));
      }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

}  // namespace

std::optional<std::string_view> Request::query_value(std::string_view name) const {
  for (auto it = query.rbegin(); it != query.rend(); ++it) {
    if (it->first == name) return it->second;
  }
  return std::nullopt;
}

Status parse_target(std::string_view target, Request& request) {
  target = target.substr(0, target.find('#'));
  size_t question = target.find('?');
  MR_ASSIGN(request.path, percent_decode(target.substr(0, question), false));
  if (question == std::string_view::npos) return {};
  for (std::string_view part : split_view(target.substr(question + 1), '&')) {
    if (part.empty()) continue;
    size_t equals = part.find('=');
    MR_ASSIGN(std::string name, percent_decode(part.substr(0, equals), true));
    MR_ASSIGN(std::string value, percent_decode(equals == std::string_view::npos ? "" : part.substr(equals + 1), true));
    request.query.emplace_back(std::move(name), std::move(value));
  }
  return {};
}

std::string media_type(std::string_view content_type) {
  return to_lower_ascii(trim(content_type.substr(0, content_type.find(';'))));
}

}  // namespace millrace::server
