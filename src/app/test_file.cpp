#include "app/test_file.h"

#include "app/node_command.h"
#include "base/paths.h"
#include "base/text.h"

namespace millrace::app {
namespace {

/// One `--- word argument` and the lines up to the next one.
struct Block {
  std::string_view word;
  std::string_view argument;
  std::vector<std::string_view> lines;
  uint64_t line = 0;
};

Error at_line(uint64_t line, std::string message) {
  return user_error(sqlstate::kSyntaxError, "line " + std::to_string(line) + ": " + std::move(message));
}

Result<std::vector<Block>> cut_blocks(std::string_view text) {
  std::vector<Block> blocks;
  uint64_t number = 0;
  for (std::string_view line : split_view(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("---")) {
      std::string_view rest = trim(line.substr(3));
      size_t end = rest.find_first_of(" \t:");
      Block block{rest.substr(0, end), {}, {}, number};
      if (end != std::string_view::npos) block.argument = trim(rest.substr(end + 1));
      blocks.push_back(std::move(block));
    } else if (!blocks.empty()) {
      blocks.back().lines.push_back(line);
    } else if (!trim(line).empty() && !trim(line).starts_with('#')) {
      return at_line(number, "text before the first `---`; a comment begins with #");
    }
  }
  return blocks;
}

std::string joined(const std::vector<std::string_view>& lines) {
  std::string text;
  for (std::string_view line : lines) text.append(line).push_back('\n');
  return text;
}

/// The lines that are neither empty nor comments.
std::vector<std::string> contents(const std::vector<std::string_view>& lines, bool comments) {
  std::vector<std::string> out;
  for (std::string_view line : lines) {
    if (trim(line).empty() || (comments && line.starts_with('#'))) continue;
    out.emplace_back(trim(line));
  }
  return out;
}

class Reader {
 public:
  Reader(Env& env, std::string directory) : env_(env), directory_(std::move(directory)) {}

  Status take(const Block& block) {
    if (block.word == "case") return begin_case(block);
    if (block.word == "pipeline") return take_pipeline(block);
    if (block.word == "set") return take_setting(block);
    if (block.word == "input") return take_input(block);
    if (block.word == "expect") return take_expect(block);
    if (block.word == "query") return take_query(block);
    if (block.word == "sql") {
      current().scripts.push_back({joined(block.lines), directory_});
      return {};
    }
    return at_line(block.line, "there is no `--- " + shorten(block.word) +
                                   "`; known are case, pipeline, set, sql, input, query, expect");
  }

  Result<std::vector<TestCase>> finish() {
    MR_TRY(check_expected());
    if (cases_.empty()) cases_.push_back(std::move(shared_));
    for (const TestCase& test : cases_) {
      if (test.queries.empty() && !test.script_error) {
        return user_error(sqlstate::kSyntaxError,
                          (test.name.empty() ? "the file" : "case " + test.name) + " expects nothing");
      }
    }
    return std::move(cases_);
  }

 private:
  TestCase& current() { return cases_.empty() ? shared_ : cases_.back(); }

  Status begin_case(const Block& block) {
    if (block.argument.empty()) return at_line(block.line, "a case needs a name");
    MR_TRY(check_expected());
    if (!shared_.queries.empty()) return at_line(block.line, "a query before the first case belongs to no case");
    cases_.push_back(shared_);
    cases_.back().name = block.argument;
    return {};
  }

  Status take_pipeline(const Block& block) {
    std::string path = join_path(directory_, block.argument);
    MR_ASSIGN(std::string text, env_.files().read_all(path));
    current().scripts.push_back({std::move(text), parent_path(path)});
    return {};
  }

  Status take_setting(const Block& block) {
    auto values = parse_settings({std::string(block.argument)});
    if (!values.ok()) return at_line(block.line, "`--- set` takes name=value");
    for (auto& [name, value] : *values) current().settings[name] = value;
    return {};
  }

  Status take_input(const Block& block) {
    size_t from = block.argument.find(" from ");
    std::string stream(trim(block.argument.substr(0, from)));
    if (stream.empty()) return at_line(block.line, "`--- input` names a stream or table");
    if (from == std::string_view::npos) {
      current().inputs.push_back({std::move(stream), contents(block.lines, false)});
      return {};
    }
    MR_ASSIGN(std::string text, env_.files().read_all(join_path(directory_, trim(block.argument.substr(from + 6)))));
    current().inputs.push_back({std::move(stream), contents(split_view(text, '\n'), false)});
    return {};
  }

  Status take_query(const Block& block) {
    MR_TRY(check_expected());
    std::string sql(trim(joined(block.lines)));
    if (sql.empty()) return at_line(block.line, "`--- query` is followed by a SELECT");
    current().queries.push_back({std::move(sql), block.line, Expect::kCsv, {}});
    open_query_ = true;
    return {};
  }

  Status take_expect(const Block& block) {
    std::vector<std::string> lines = contents(block.lines, true);
    bool error = block.argument == "error";
    if (!error && block.argument != "json" && block.argument != "csv" && !block.argument.empty()) {
      return at_line(block.line, "`--- expect` takes csv, json or error, not: " + shorten(block.argument));
    }
    if (!open_query_) {
      if (!error) return at_line(block.line, "`--- expect` without a query before it");
      current().script_error = join(lines, "\n");
      return {};
    }
    open_query_ = false;
    TestQuery& query = current().queries.back();
    query.expect = error ? Expect::kError : block.argument == "json" ? Expect::kJson : Expect::kCsv;
    if (query.expect == Expect::kCsv && lines.empty())
      return at_line(block.line, "the rows as CSV begin with a header line");
    query.expected = std::move(lines);
    return {};
  }

  Status check_expected() {
    if (!open_query_) return {};
    return at_line(current().queries.back().line, "the query has no `--- expect`");
  }

  Env& env_;
  const std::string directory_;
  TestCase shared_;
  std::vector<TestCase> cases_;
  bool open_query_ = false;
};

}  // namespace

Result<std::vector<TestCase>> parse_test_file(std::string_view text, const std::string& directory, Env& env) {
  MR_ASSIGN(std::vector<Block> blocks, cut_blocks(text));
  Reader reader(env, directory);
  for (const Block& block : blocks) MR_TRY(reader.take(block));
  return reader.finish();
}

Result<std::vector<TestCase>> read_test_file(Env& env, const std::string& path) {
  MR_ASSIGN(std::string text, env.files().read_all(path));
  auto cases = parse_test_file(text, parent_path(absolute_path(path)), env);
  if (!cases.ok()) return std::move(cases).error().within(path);
  return cases;
}

}  // namespace millrace::app
