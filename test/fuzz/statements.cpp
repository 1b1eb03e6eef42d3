// Any bytes as a pipeline file: variables, then statements. Each error must point into the text.
#include <cstdint>
#include <string_view>

#include "sql/statement.h"
#include "sql/variables.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto filled = millrace::sql::substitute_variables(text, {{"a", "it's"}});
  if (!filled.ok()) return 0;
  auto statements = millrace::sql::parse_statements(filled->text);
  if (statements.ok()) return 0;
  const millrace::Error& error = statements.error();
  MR_CHECK(error.position && error.position->offset <= filled->text.size(), error.message);
  MR_CHECK(filled->positions.original(*error.position).offset <= size, error.message);
  return 0;
}
