#include "sql/bind_failure.h"

#include <string>

#include "batch/duckdb_error.h"

namespace millrace::sql {
Error to_error(const std::exception& exception, uint64_t text_offset) {
  Error error;
  if (auto* ours = dynamic_cast<const BindFailure*>(&exception)) {
    error = ours->error;
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
