#include "sql/variables.h"

#include <algorithm>

#include "sql/suggest.h"

namespace millrace::sql {
namespace {

constexpr int kDefaultDepthMax = 16;
constexpr uint64_t kSubstitutedBytesMax = 64ULL << 20;

bool is_name_letter(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/// What surrounds the place up to which a SQL text was read: code, a literal, or a comment. Reads each byte once.
class Surroundings {
 public:
  enum class Kind { kCode, kString, kEscapeString, kName, kDollarString, kLineComment, kBlockComment };

  void read(std::string_view text) {
    for (; at_ < text.size(); ++at_) step(text);
  }
  Kind kind() const { return kind_; }
  bool in_comment() const { return kind_ == Kind::kLineComment || kind_ == Kind::kBlockComment; }

 private:
  void step(std::string_view text) {
    char c = text[at_];
    char before = at_ > consumed_ ? text[at_ - 1] : '\0';  // a byte that already ended a token pairs with no other
    switch (kind_) {
      case Kind::kCode: return step_code(text, c, before);
      case Kind::kString:
        if (c == '\'') enter(Kind::kCode);
        return;
      case Kind::kEscapeString:
        if (c == '\\' && before != '\\') return;
        if (c == '\\') return consume();
        if (c == '\'' && before != '\\') leave_escape_string();
        return;
      case Kind::kName:
        if (c == '"') enter(Kind::kCode);
        return;
      case Kind::kDollarString:
        if (c == '$' && at_ + 1 >= body_ + tag_.size() && text.substr(at_ + 1 - tag_.size(), tag_.size()) == tag_)
          enter(Kind::kCode);
        return;
      case Kind::kLineComment:
        if (c == '\n') enter(Kind::kCode);
        return;
      case Kind::kBlockComment:
        if (before == '/' && c == '*') {
          ++depth_;
          consume();
        } else if (before == '*' && c == '/') {
          consume();
          if (--depth_ == 0) kind_ = Kind::kCode;
        }
        return;
    }
  }

  void step_code(std::string_view text, char c, char before) {
    if (c == '\'') {
      bool reopened = escape_end_ == at_ && at_ > 0;
      bool escapes = (before == 'e' || before == 'E') && (at_ < 2 || !is_name_letter(text[at_ - 2], false));
      enter(escapes || reopened ? Kind::kEscapeString : Kind::kString);
    } else if (c == '"') {
      enter(Kind::kName);
    } else if (c == '-' && before == '-') {
      enter(Kind::kLineComment);
    } else if (c == '*' && before == '/') {
      depth_ = 1;
      enter(Kind::kBlockComment);
    } else if (c == '$') {
      step_dollar(text);
    }
  }

  /// A second dollar sign with only a tag between makes `$tag$`.
  void step_dollar(std::string_view text) {
    size_t start = at_;
    while (start > consumed_ && is_name_letter(text[start - 1], false)) --start;
    if (start == consumed_ || text[start - 1] != '$') return;
    bool part_of_name = start >= 2 && is_name_letter(text[start - 2], false);
    if (part_of_name) return;
    tag_ = std::string(text.substr(start - 1, at_ - start + 2));
    enter(Kind::kDollarString);
    body_ = at_ + 1;
  }

  void leave_escape_string() {
    enter(Kind::kCode);
    escape_end_ = at_ + 1;
  }
  void enter(Kind kind) {
    kind_ = kind;
    consume();
  }
  void consume() { consumed_ = at_ + 1; }

  Kind kind_ = Kind::kCode;
  size_t at_ = 0;
  size_t consumed_ = 0;    ///< bytes before this one belong to finished tokens
  size_t escape_end_ = 0;  ///< right behind an E'…' literal: a quote here is a doubled one
  size_t depth_ = 0;       ///< of nested block comments
  size_t body_ = 0;
  std::string tag_;
};

}  // namespace

/// Builds the substituted text and its position map.
class Substitution {
 public:
  Substitution(std::string_view text, const Variables& variables) : original_(text), variables_(variables) {}

  Result<SubstitutedText> run() {
    size_t at = 0;
    while (at < original_.size()) {
      size_t dollar = std::min(original_.find('$', at), original_.size());
      copy(at, dollar);
      at = dollar;
      if (at == original_.size()) break;
      if (surroundings_.in_comment()) {
        copy(at, at + 1);
        ++at;
      } else if (original_.substr(at, 3) == "$${") {
        place("${", at, 3);
        at += 3;
      } else if (original_.substr(at, 2) == "${") {
        MR_ASSIGN(Reference reference, parse_reference(at));
        MR_ASSIGN(std::string value, value_of(reference, 0));
        place(quoted(value), at, reference.end - at);
        at = reference.end;
      } else {
        copy(at, at + 1);
        ++at;
      }
      if (result_.text.size() > kSubstitutedBytesMax) return too_large(at);
    }
    return std::move(result_);
  }

 private:
  struct Reference {
    std::string_view name;
    size_t start = 0;
    size_t end = 0;  ///< behind the closing brace
    size_t default_start = 0;
    size_t default_end = 0;
    bool has_default = false;
  };

  void copy(size_t from, size_t to) {
    if (from == to) return;
    auto& pieces = result_.positions.pieces_;
    uint64_t offset = result_.text.size();
    bool continues = !pieces.empty() && pieces.back().original_length == 0 &&
                     pieces.back().original_offset + (offset - pieces.back().offset) == from;
    if (!continues) pieces.push_back({offset, from, 0});
    result_.text.append(original_.substr(from, to - from));
    surroundings_.read(result_.text);
  }

  void place(std::string_view value, size_t from, size_t length) {
    result_.positions.pieces_.push_back({result_.text.size(), from, length});
    result_.text.append(value);
    surroundings_.read(result_.text);
  }

  std::string quoted(std::string_view value) const {
    using Kind = Surroundings::Kind;
    char quote = '\0';
    if (surroundings_.kind() == Kind::kString || surroundings_.kind() == Kind::kEscapeString) quote = '\'';
    if (surroundings_.kind() == Kind::kName) quote = '"';
    bool escapes = surroundings_.kind() == Kind::kEscapeString;
    std::string text;
    for (char c : value) text.append((quote != '\0' && c == quote) || (escapes && c == '\\') ? 2 : 1, c);
    return text;
  }

  Result<Reference> parse_reference(size_t at) {
    Reference found;
    found.start = at;
    size_t end = at + 2;
    while (end < original_.size() && is_name_letter(original_[end], end == at + 2)) ++end;
    found.name = original_.substr(at + 2, end - at - 2);
    if (found.name.empty()) return bad_reference(at, end, "a variable's name is missing after ${");
    if (original_.substr(end, 1) == "}") {
      found.end = end + 1;
      return found;
    }
    if (original_.substr(end, 2) != ":-")
      return bad_reference(at, end, "a variable is not closed: ${" + std::string(found.name));
    found.has_default = true;
    found.default_start = end + 2;
    size_t depth = 1;
    for (end += 2; end < original_.size(); ++end) {
      if (original_[end] == '{') ++depth;
      if (original_[end] == '}' && --depth == 0) break;
    }
    if (end >= original_.size())
      return bad_reference(at, end, "a variable is not closed: ${" + std::string(found.name));
    found.default_end = end;
    found.end = end + 1;
    return found;
  }

  Result<std::string> value_of(const Reference& reference, int depth) {
    if (depth > kDefaultDepthMax)
      return bad_reference(reference.start, reference.end, "variables are nested too deeply");
    std::string name(reference.name);
    if (std::find(result_.names.begin(), result_.names.end(), name) == result_.names.end())
      result_.names.push_back(name);
    auto set = variables_.find(reference.name);
    if (set != variables_.end() && (!reference.has_default || !set->second.empty())) return set->second;
    if (!reference.has_default) return not_set(reference);
    std::string value;
    for (size_t at = reference.default_start; at < reference.default_end;) {
      if (original_.substr(at, 2) != "${") {
        value.push_back(original_[at++]);
        continue;
      }
      MR_ASSIGN(Reference inner, parse_reference(at));
      MR_ASSIGN(std::string inner_value, value_of(inner, depth + 1));
      value += inner_value;
      if (value.size() > kSubstitutedBytesMax) return too_large(at);
      at = inner.end;
    }
    return value;
  }

  Error not_set(const Reference& reference) const {
    std::vector<std::string> known;
    for (const auto& [name, value] : variables_) known.push_back(name);
    std::string name(reference.name);
    std::string hint = "give it with --set " + name + "=value, or write a default: ${" + name + ":-value}";
    if (std::string meant = did_you_mean(name, known); !meant.empty()) hint += "; " + meant;
    return user_error("42704", "a variable has no value: " + name)
        .at(SourceSpan{reference.start, reference.end - reference.start})
        .with_hint(std::move(hint));
  }

  Error bad_reference(size_t at, size_t end, std::string message) const {
    uint64_t length = std::max<uint64_t>(1, std::min(end, original_.size()) - at);
    return user_error(sqlstate::kSyntaxError, std::move(message))
        .at(SourceSpan{at, length})
        .with_hint("write ${name} or ${name:-default}; a plain ${ is written $${");
  }

  Error too_large(size_t at) const {
    return user_error(sqlstate::kTooLarge, "the text is too long after its variables were filled in, bytes: " +
                                               std::to_string(result_.text.size()))
        .at(SourceSpan{std::min(at, original_.size()), 1})
        .with_hint("load data from a file (option load) instead of a variable");
  }

  std::string_view original_;
  const Variables& variables_;
  SubstitutedText result_;
  Surroundings surroundings_;
};

const PositionMap::Piece* PositionMap::piece_at(uint64_t offset) const {
  auto behind = std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                                 [](uint64_t value, const Piece& piece) { return value < piece.offset; });
  return behind == pieces_.begin() ? nullptr : &*(behind - 1);
}

SourceSpan PositionMap::original(SourceSpan span) const {
  const Piece* first = piece_at(span.offset);
  const Piece* last = piece_at(span.offset + std::max<uint64_t>(span.length, 1) - 1);
  if (first == nullptr || last == nullptr) return span;
  uint64_t start = first->original_offset;
  if (first->original_length == 0) start += span.offset - first->offset;
  uint64_t end = last->original_offset + last->original_length;
  if (last->original_length == 0) end += span.offset + span.length - last->offset;
  return SourceSpan{start, end > start ? end - start : 1};
}

Error PositionMap::original(Error error) const {
  if (error.position) error.position = original(*error.position);
  return error;
}

Result<SubstitutedText> substitute_variables(std::string_view text, const Variables& variables) {
  return Substitution(text, variables).run();
}

}  // namespace millrace::sql
