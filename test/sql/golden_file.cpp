#include "golden_file.h"

#include <algorithm>

#include "base/config.h"
#include "base/text.h"
#include "sql/lexer.h"

namespace millrace::golden {
namespace {

/// Words of a line: at single spaces or more.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (std::string_view word : split_view(line, ' ')) {
    if (!trim(word).empty()) words.emplace_back(trim(word));
  }
  return words;
}

class Lines {
 public:
  explicit Lines(std::string_view text) : lines_(split_view(text, '\n')) {}
  bool done() const { return at_ >= lines_.size(); }
  std::string_view next() { return without_return(lines_[at_++]); }
  std::string_view peek() const { return without_return(lines_[at_]); }
  uint64_t number() const { return at_; }  // of the line that next() gave last, from 1
  /// The lines up to the next empty one, or to one that is `stop`; neither is part of them, both are consumed.
  std::vector<std::string> block(std::string_view stop, bool& stopped) {
    std::vector<std::string> block;
    stopped = false;
    while (!done()) {
      std::string_view line = next();
      if (trim(line).empty()) return block;
      if (!stop.empty() && trim(line) == stop) {
        stopped = true;
        return block;
      }
      block.emplace_back(line);
    }
    return block;
  }

 private:
  static std::string_view without_return(std::string_view line) {
    return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
  }
  std::vector<std::string_view> lines_;
  size_t at_ = 0;
};

Error at_line(uint64_t line, const std::string& what) {
  return user_error(sqlstate::kSyntaxError, "line " + std::to_string(line) + ": " + what);
}

/// Reads what follows the first line of a step.
Status read_body(Step& step, Lines& lines) {
  bool has_rows = false;
  if (step.kind == StepKind::kInput || step.kind == StepKind::kFile) {
    step.records = lines.block({}, has_rows);
    return {};
  }
  if (step.kind == StepKind::kAdvance || step.kind == StepKind::kRestart) return {};
  step.sql = join(lines.block("----", has_rows), "\n");
  while (!step.sql.empty() && (step.sql.back() == ';' || is_space(step.sql.back()))) step.sql.pop_back();
  if (step.sql.empty()) return at_line(step.line, "SQL is missing");
  if (step.kind == StepKind::kQuery && !has_rows) return at_line(step.line, "a query needs a line ----");
  if (step.kind == StepKind::kStatement && has_rows) return at_line(step.line, "a statement has no rows");
  if (!has_rows) return {};
  bool unused = false;
  for (std::string& line : lines.block({}, unused)) step.expected.push_back(std::move(line));
  return {};
}

Result<Step> parse_first_line(std::string_view line, uint64_t number) {
  Step step;
  step.line = number;
  std::vector<std::string> words = words_of(line);
  const std::string& verb = words[0];
  if (verb == "statement" && words.size() >= 2 && (words[1] == "ok" || words[1] == "error")) {
    step.kind = words[1] == "ok" ? StepKind::kStatement : StepKind::kStatementError;
    if (step.kind == StepKind::kStatement && words.size() > 2) return at_line(number, "nothing follows `statement ok`");
    words.erase(words.begin(), words.begin() + 2);
    if (!words.empty()) step.expected.push_back(join(words, " "));
  } else if (verb == "query" && (words.size() == 2 || words.size() == 3)) {
    step.kind = StepKind::kQuery;
    step.types = words[1];
    if (step.types.find_first_not_of("TIR") != std::string::npos) return at_line(number, "a type is T, I or R");
    if (words.size() == 3 && words[2] != "rowsort" && words[2] != "nosort")
      return at_line(number, "the order is rowsort or nosort");
    step.sorted = words.size() == 3 && words[2] == "rowsort";
  } else if ((verb == "input" || verb == "file") && words.size() == 2) {
    step.kind = verb == "input" ? StepKind::kInput : StepKind::kFile;
    step.name = words[1];
  } else if (verb == "advance" && words.size() == 3) {
    step.kind = StepKind::kAdvance;
    MR_ASSIGN(step.time, parse_duration("advance", words[1] + " " + words[2]));
  } else if (verb == "restart" && words.size() == 1) {
    step.kind = StepKind::kRestart;
  } else {
    return at_line(number, "this begins no step: " + std::string(line));
  }
  return step;
}

}  // namespace

Result<std::vector<Step>> parse_golden(std::string_view text) {
  std::vector<Step> steps;
  Lines lines(text);
  while (!lines.done()) {
    std::string_view line = trim(lines.next());
    if (line.empty() || line.starts_with("#")) continue;
    MR_ASSIGN(Step step, parse_first_line(line, lines.number()));
    MR_TRY(read_body(step, lines));
    steps.push_back(std::move(step));
  }
  return steps;
}

namespace {

/// The lines of a fenced block, whose first fence was read.
Result<std::vector<std::string>> fenced(Lines& lines) {
  const uint64_t first = lines.number();
  std::vector<std::string> block;
  while (!lines.done()) {
    std::string_view line = lines.next();
    if (trim(line) == "```") return block;
    block.emplace_back(line);
  }
  return at_line(first, "the block is never closed");
}

/// The statements of a block of SQL, apart.
Result<std::vector<std::string>> statements_of(const std::string& text) {
  MR_ASSIGN(auto tokens, sql::tokenize(text));
  std::vector<std::string> statements;
  uint64_t begin = 0;
  bool empty = true;
  for (const sql::Token& token : tokens) {
    const bool ends = token.kind == sql::TokenKind::kSemicolon || token.kind == sql::TokenKind::kEnd;
    if (ends && !empty) statements.push_back(text.substr(begin, token.offset - begin));
    if (ends) begin = token.end();
    empty = ends;
  }
  return statements;
}

bool gives_rows(const std::string& statement) {
  auto tokens = sql::tokenize(statement);
  if (!tokens.ok()) return false;
  for (const char* word : {"SELECT", "WITH", "FROM", "VALUES", "TABLE", "SHOW", "DESCRIBE", "EXPLAIN"}) {
    if (sql::is_keyword(statement, tokens->front(), word)) return true;
  }
  return false;
}

Status add_sql_block(Lines& lines, bool must_fail, std::vector<Step>& steps) {
  const uint64_t first = lines.number();
  MR_ASSIGN(auto block, fenced(lines));
  MR_ASSIGN(auto statements, statements_of(join(block, "\n")));
  if (statements.empty()) return at_line(first, "the block holds no statement");
  for (std::string& statement : statements) {
    Step step;
    step.line = first;
    step.kind = must_fail ? StepKind::kStatementError : StepKind::kStatement;
    step.sql = std::move(statement);
    steps.push_back(std::move(step));
  }
  return {};
}

}  // namespace

Result<std::vector<Step>> parse_documentation(std::string_view text) {
  std::vector<Step> steps;
  Lines lines(text);
  while (!lines.done()) {
    std::string_view line = trim(lines.next());
    if (!line.starts_with("```")) continue;
    const uint64_t first = lines.number();
    std::vector<std::string> words = words_of(line.substr(3));
    if (words.empty()) words.emplace_back("text");
    if (words[0] == "sql") {
      MR_TRY(add_sql_block(lines, words.size() > 1 && words[1] == "error", steps));
    } else if (words[0] == "ndjson" && words.size() == 2) {
      Step step;
      step.line = first;
      step.kind = StepKind::kInput;
      step.name = words[1];
      MR_ASSIGN(step.records, fenced(lines));
      steps.push_back(std::move(step));
    } else if (words[0] == "rows") {
      if (steps.empty() || steps.back().kind != StepKind::kStatement || !gives_rows(steps.back().sql))
        return at_line(first, "no query stands before these rows");
      steps.back().kind = StepKind::kQuery;
      steps.back().sorted = true;
      steps.back().header = true;
      MR_ASSIGN(steps.back().expected, fenced(lines));
    } else {
      MR_ASSIGN(auto skipped, fenced(lines));
      (void)skipped;
    }
  }
  return steps;
}

std::vector<std::string> split_row(std::string_view row, size_t columns) {
  std::vector<std::string> values;
  if (columns == 1) return {std::string(trim(row))};
  if (row.find('\t') != std::string_view::npos) {
    for (std::string_view value : split_view(row, '\t')) values.emplace_back(trim(value));
    return values;
  }
  if (row.find(" | ") == std::string_view::npos) return words_of(row);
  for (size_t at = 0;;) {
    size_t end = row.find(" | ", at);
    values.emplace_back(trim(row.substr(at, end == std::string_view::npos ? end : end - at)));
    if (end == std::string_view::npos) return values;
    at = end + 3;
  }
}

std::vector<std::string> split_insert(const std::string& sql, size_t rows_max) {
  auto tokens = sql::tokenize(sql);
  if (!tokens.ok() || !sql::is_keyword(sql, tokens->front(), "INSERT")) return {sql};
  auto is_values = [&](const sql::Token& token) { return sql::is_keyword(sql, token, "VALUES"); };
  auto values = std::find_if(tokens->begin(), tokens->end(), is_values);
  if (values == tokens->end()) return {sql};
  std::vector<std::string> rows;
  int depth = 0;
  uint64_t begin = 0;
  for (auto token = values + 1; token != tokens->end(); ++token) {
    const bool opens = token->kind == sql::TokenKind::kLeftParenthesis;
    const bool closes = token->kind == sql::TokenKind::kRightParenthesis;
    const bool between = token->kind == sql::TokenKind::kComma || token->kind == sql::TokenKind::kEnd;
    if (depth == 0 && !opens && !between) return {sql};  // ON CONFLICT, RETURNING, more statements
    if (opens && depth++ == 0) begin = token->offset;
    if (closes && --depth == 0) rows.push_back(sql.substr(begin, token->end() - begin));
  }
  std::vector<std::string> statements;
  for (size_t at = 0; at < rows.size(); at += rows_max) {
    std::vector<std::string> some(rows.begin() + at, rows.begin() + std::min(rows.size(), at + rows_max));
    statements.push_back(sql.substr(0, values->end()) + " " + join(some, ", "));
  }
  return statements;
}

}  // namespace millrace::golden
