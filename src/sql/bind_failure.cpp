#include "sql/bind_failure.h"

#include <algorithm>
#include <string>

#include "batch/duckdb_error.h"
#include "sql/lexer.h"

namespace millrace::sql {

void place_at_word(Error& error, std::string_view query, const std::vector<std::string>& words) {
  if (error.position) return;
  Result<std::vector<Token>> tokens = tokenize(query);
  if (!tokens.ok()) return;
  for (const Token& token : *tokens) {
    const auto is_token = [&](const std::string& word) { return is_keyword(query, token, word); };
    if (std::none_of(words.begin(), words.end(), is_token)) continue;
    error.position = token.span();
    return;
  }
}

Error to_error(const std::exception& exception, std::string_view query, uint64_t text_offset) {
  Error error;
  if (auto* ours = dynamic_cast<const BindFailure*>(&exception)) {
    error = ours->error;
    place_at_word(error, query, ours->words);
  } else {
    error = batch::error_from(exception);
    if (size_t picture = error.message.find("\n\nLINE "); picture != std::string::npos) error.message.resize(picture);
    if (size_t line = error.message.find('\n'); line != std::string::npos) {
      size_t rest = error.message.find_first_not_of('\n', line);
      if (rest != std::string::npos) error.hint = error.message.substr(rest);
      error.message.resize(line);
    }
  }
  if (error.position) error.position->offset += text_offset;
  return error;
}

}  // namespace millrace::sql
