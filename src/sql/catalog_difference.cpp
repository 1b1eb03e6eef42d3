// How two definitions of one name differ, told so that a user sees what to change.
#include <algorithm>

#include "base/text.h"
#include "sql/catalog.h"
#include "sql/lexer.h"
#include "sql/secrets.h"
#include "sql/suggest.h"

namespace millrace::sql {
namespace {

constexpr size_t kShownMax = 40;

/// The tokens of a piece of SQL, folded so that equal meanings are mostly equal texts.
std::vector<std::string> folded_tokens(std::string_view text) {
  Result<std::vector<Token>> tokens = tokenize(text);
  if (!tokens.ok()) return {std::string(text)};
  std::vector<std::string> folded;
  for (const Token& token : *tokens) {
    if (token.kind == TokenKind::kEnd) break;
    std::string value(token_text(text, token));
    if (token.kind == TokenKind::kWord) value = to_lower_ascii(value);
    if (token.kind == TokenKind::kQuotedWord) value = quote_name(to_lower_ascii(token_value(text, token)));
    folded.push_back(std::move(value));
  }
  return folded;
}

std::string shown_from(const std::vector<std::string>& tokens, size_t first) {
  std::string text;
  for (size_t i = first; i < tokens.size() && text.size() < kShownMax; ++i)
    text += (text.empty() ? "" : " ") + tokens[i];
  return text.empty() ? "nothing" : shorten(text, kShownMax);
}

class Comparison {
 public:
  void sql(std::string_view what, std::string_view there, std::string_view here) {
    std::vector<std::string> a = folded_tokens(there);
    std::vector<std::string> b = folded_tokens(here);
    if (a == b) return;
    size_t first = static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
    if (first > 0) --first;  // one token of context
    add(what, shown_from(a, first), shown_from(b, first));
  }

  void names(std::string_view what, const std::vector<std::string>& there, const std::vector<std::string>& here) {
    if (to_lower_ascii(enumerate(there)) != to_lower_ascii(enumerate(here))) add(what, shown(there), shown(here));
  }

  void value(std::string_view what, const std::string& there, const std::string& here) {
    if (there != here)
      add(what, there.empty() ? "none" : shorten(there, kShownMax), here.empty() ? "none" : shorten(here, kShownMax));
  }

  void columns(const std::vector<CatalogColumn>& there, const std::vector<CatalogColumn>& here) {
    std::vector<std::string> names_there, names_here;
    for (const CatalogColumn& column : there) names_there.push_back(column.name);
    for (const CatalogColumn& column : here) names_here.push_back(column.name);
    size_t found = differences_.size();
    for (const CatalogColumn& column : here) {
      auto same = find(there, column.name);
      if (same == there.end()) {
        differences_.push_back("column " + column.name + ": only here");
        continue;
      }
      sql("column " + column.name, same->type_text, column.type_text);
      if (same->not_null != column.not_null) value("column " + column.name, nullability(*same), nullability(column));
    }
    for (const CatalogColumn& column : there) {
      if (find(here, column.name) == here.end()) differences_.push_back("column " + column.name + ": only there");
    }
    if (found == differences_.size()) names("order of the columns", names_there, names_here);
  }

  void options(const Options& there, const Options& here) {
    for (const auto& [name, value] : here.values()) {
      auto same = there.values().find(name);
      if (same == there.values().end()) {
        add("option " + name, "none", shown(value.text));
      } else if ((value.given || same->second.given) && !equal(same->second, value)) {
        // Neither statement says anything: a default, or what a stream took over from its topic.
        add("option " + name, shown(same->second.text), shown(value.text));
      }
    }
    for (const auto& [name, value] : there.values()) {
      // An older catalog may hold the default of an option that is none any more.
      if (!here.has(name) && value.given) add("option " + name, shown(value.text), "none");
    }
  }

  std::string text() const { return join(differences_, "; "); }

 private:
  void add(std::string_view what, std::string there, std::string here) {
    differences_.push_back(std::string(what) + ": " + there + " there, " + here + " here");
  }

  static std::string shown(const std::string& value) { return shorten(mask_passwords(value), kShownMax); }
  static std::string shown(const std::vector<std::string>& names) {
    return names.empty() ? "none" : "(" + enumerate(names, ", ") + ")";
  }
  static std::string nullability(const CatalogColumn& column) { return column.not_null ? "NOT NULL" : "NULL"; }
  static std::vector<CatalogColumn>::const_iterator find(const std::vector<CatalogColumn>& columns,
                                                         std::string_view name) {
    return std::find_if(columns.begin(), columns.end(),
                        [&](const CatalogColumn& column) { return iequals(column.name, name); });
  }

  /// '60 s' and '1 minute' are one duration: only what the value means counts.
  static bool equal(const OptionValue& a, const OptionValue& b) {
    if (a.kind != b.kind) return false;
    switch (a.kind) {
      case OptionKind::kText:
      case OptionKind::kEnum: return a.text == b.text;
      case OptionKind::kColumn:
      case OptionKind::kColumns: return iequals(join(a.columns, ","), join(b.columns, ","));
      default: return a.integer == b.integer;
    }
  }

  std::vector<std::string> differences_;
};

/// A pipeline file may say CREATE STREAM as it was before an ALTER.
std::vector<CatalogColumn> columns_as_known(const CatalogObject& there, const CatalogObject& here) {
  std::vector<CatalogColumn> columns = there.columns;
  for (auto added = there.added.rbegin(); added != there.added.rend(); ++added) {
    const auto same = [&](const CatalogColumn& column) { return iequals(column.name, columns.back().name); };
    if (added->column + 1 != columns.size() || std::any_of(here.columns.begin(), here.columns.end(), same)) break;
    columns.pop_back();
  }
  return columns;
}

std::string emit_text(Emit emit) {
  if (emit == Emit::kOnWindowClose) return "EMIT ON WINDOW CLOSE";
  return "EMIT CHANGES";
}

}  // namespace

std::string describe_difference(const CatalogObject& there, const CatalogObject& here) {
  Comparison comparison;
  comparison.value("kind", std::string(object_kind_name(there.kind)), std::string(object_kind_name(here.kind)));
  if (there.kind != here.kind) return comparison.text();
  if (there.kind == ObjectKind::kStream || there.kind == ObjectKind::kTable) {
    comparison.columns(columns_as_known(there, here), here.columns);
    comparison.names("primary key", there.primary_key, here.primary_key);
    auto watermark = [](const CatalogObject& object) {
      return object.watermark ? quote_name(object.watermark->column) + " AS " + object.watermark->expression
                              : std::string();
    };
    comparison.sql("watermark", watermark(there), watermark(here));
  }
  comparison.names("column list", there.query_columns, here.query_columns);
  comparison.value("source", to_lower_ascii(there.source), to_lower_ascii(here.source));
  comparison.sql(there.kind == ObjectKind::kMacro ? "definition" : "query", there.query, here.query);
  comparison.value("emission", emit_text(there.emit), emit_text(here.emit));
  auto lateness = [](const CatalogObject& object) { return format_duration(object.allowed_lateness); };
  comparison.value("allowed lateness", lateness(there), lateness(here));
  comparison.options(there.options, here.options);
  return comparison.text();
}

}  // namespace millrace::sql
