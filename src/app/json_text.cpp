#include "app/json_text.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace millrace::app {
namespace {

Error broken(std::string_view what, std::string_view text) {
  return user_error(sqlstate::kInvalidText, std::string(what) + ": " + shorten(text));
}

/// The end of the value that starts at `at`: the next comma, or the closing bracket around it, outside strings.
size_t value_end(std::string_view text, size_t at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    char c = text[at];
    if (c == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\') ++at;
      }
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      if (depth-- == 0) return at;
    } else if (c == ',' && depth == 0) {
      return at;
    }
  }
  return std::string_view::npos;
}

/// The parts between `open` and `close`, cut at the commas of the outermost level.
Result<std::vector<std::string_view>> parts(std::string_view text, char open, char close) {
  std::string_view inner = trim(text);
  if (inner.size() < 2 || inner.front() != open || inner.back() != close)
    return broken("not the JSON that was expected", text);
  std::vector<std::string_view> all;
  if (trim(inner.substr(1, inner.size() - 2)).empty()) return all;
  size_t at = 1;
  while (true) {
    size_t end = value_end(inner, at);
    if (end == std::string_view::npos) return broken("JSON that ends too early", text);
    all.push_back(trim(inner.substr(at, end - at)));
    if (all.back().empty()) return broken("JSON with an empty value", text);
    if (inner[end] != ',') {
      if (end + 1 != inner.size()) return broken("JSON with text behind its end", text);
      return all;
    }
    at = end + 1;
  }
}

}  // namespace

Result<std::vector<std::string_view>> json_elements(std::string_view array) { return parts(array, '[', ']'); }

Result<std::vector<std::pair<std::string, std::string_view>>> json_members(std::string_view object) {
  MR_ASSIGN(std::vector<std::string_view> all, parts(object, '{', '}'));
  std::vector<std::pair<std::string, std::string_view>> members;
  for (std::string_view part : all) {
    size_t close = 1;
    while (close < part.size() && part[close] != '"') close += part[close] == '\\' ? 2 : 1;
    size_t colon = part.find(':', std::min(close, part.size()));
    if (part.front() != '"' || colon == std::string_view::npos)
      return broken("JSON with a member that has no key", part);
    members.emplace_back(json_unquoted(trim(part.substr(0, colon))), trim(part.substr(colon + 1)));
  }
  return members;
}

std::optional<std::string_view> json_member(std::string_view object, std::string_view key) {
  auto members = json_members(object);
  if (!members.ok()) return std::nullopt;
  for (const auto& [name, value] : *members) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::string json_unquoted(std::string_view value) {
  if (value.empty() || value.front() != '"') return std::string(value);
  nlohmann::json parsed = nlohmann::json::parse(value, nullptr, false);
  return parsed.is_string() ? parsed.get<std::string>() : std::string(value);
}

}  // namespace millrace::app
