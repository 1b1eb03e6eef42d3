#include "app/shell.h"

#include "app/command_line.h"
#include "app/console.h"
#include "app/line_editor.h"
#include "base/text.h"
#include "sql/lexer.h"

namespace millrace::app {
namespace {

constexpr const char* kHelp =
    "  \\d            all streams, tables, views and sinks\n"
    "  \\d NAME       the columns of one\n"
    "  \\f FORMAT     table, csv or json\n"
    "  \\q            leave (or Ctrl-D)\n"
    "  \\?            this list\n"
    "A statement ends with ; and may take many lines. Ctrl-C ends SUBSCRIBE, or drops the line.\n";

}  // namespace

std::vector<std::string_view> split_statements(std::string_view text) {
  auto tokens = sql::tokenize(text);
  if (!tokens.ok()) return {text};
  std::vector<std::string_view> statements;
  size_t begin = 0;
  bool empty = true;
  for (const sql::Token& token : *tokens) {
    if (token.kind == sql::TokenKind::kEnd) break;
    if (token.kind != sql::TokenKind::kSemicolon) {
      empty = false;
      continue;
    }
    if (!empty) statements.emplace_back(trim(text.substr(begin, token.end() - begin)));
    begin = token.end();
    empty = true;
  }
  if (!empty) statements.emplace_back(trim(text.substr(begin)));
  return statements;
}

/// `statement` stands at `offset` of `text`, which is what an error shows a line of. False when it failed.
bool Shell::run(std::string_view statement, std::string_view text, size_t offset) {
  Status done = run_and_print(executor_, statement, format_, terminal_width(0));
  if (done.ok()) return true;
  failed_ = true;
  Error error = std::move(done).error();
  if (error.position) error.position->offset += offset;
  write_error(interactive_ ? "ERROR" : "millrace", error, text);
  return false;
}

/// A person sees what failed and goes on; a script ends there, since what follows may count on it.
void Shell::run_statements(std::string_view text) {
  for (std::string_view statement : split_statements(text)) {
    bool done = run(statement, text, static_cast<size_t>(statement.data() - text.data()));
    if (!done && !interactive_) return;
  }
}

bool Shell::run_backslash(std::string_view command) {
  size_t space = command.find_first_of(" \t");
  std::string_view verb = command.substr(0, space);
  std::string_view rest = space == std::string_view::npos ? std::string_view() : trim(command.substr(space));
  while (rest.ends_with(';')) rest = trim(rest.substr(0, rest.size() - 1));
  if (verb.ends_with(';')) verb.remove_suffix(1);
  if (verb == "\\q") return false;
  if (verb == "\\?" || verb == "\\h") {
    (void)write_output(kHelp);
  } else if (verb == "\\d") {
    run_statements(rest.empty() ? std::string("SHOW ALL") : "DESCRIBE " + std::string(rest));
  } else if (verb == "\\f") {
    auto format = parse_format(rest);
    if (format.ok()) {
      format_ = *format;
    } else {
      write_message(render(format.error()));
    }
  } else {
    write_message("there is no shell command " + std::string(verb) + "; \\? lists them");
  }
  return true;
}

bool Shell::take_line(std::string_view line) {
  if (pending_.empty()) {
    std::string_view word = trim(line);
    if (word.empty()) return true;
    if (word.front() == '\\') return run_backslash(word);
    if (iequals(word, "quit") || iequals(word, "exit")) return false;
  }
  pending_.append(line).push_back('\n');
  if (!sql::ends_statement(pending_)) return true;
  std::string text = std::move(pending_);
  pending_.clear();
  run_statements(text);
  return true;
}

int Shell::run_input() {
  std::string text;
  char bytes[16 << 10];
  while (true) {
    auto count = read_input(bytes, sizeof bytes);
    if (!count.ok()) return report_failure(count.error());
    if (*count == 0) break;
    text.append(bytes, *count);
  }
  run_statements(text);
  return failed_ ? kExitFailed : kExitDone;
}

int Shell::interact() {
  Status reached = executor_.check();
  if (!reached.ok()) return report_failure(reached.error());
  interactive_ = true;
  LineEditor editor;
  (void)write_output("Connected to " + executor_.where() + ". Statements end with ; and \\? helps.\n");
  while (true) {
    LineEditor::Line line = editor.read(inside_statement() ? "     ...> " : "millrace> ");
    if (line.kind == LineEditor::Kind::kEnd) break;
    if (line.kind == LineEditor::Kind::kInterrupted) {
      pending_.clear();
      continue;
    }
    if (!take_line(line.text)) break;
  }
  return kExitDone;
}

}  // namespace millrace::app
