#include "batch/duckdb_error.h"

#include <charconv>
#include <optional>

#include <duckdb/common/error_data.hpp>
#include <duckdb/common/exception.hpp>

namespace millrace::batch {

namespace {

struct Kind {
  const char* code;
  Fault fault;
};

Kind kind_of(duckdb::ExceptionType type) {
  using Type = duckdb::ExceptionType;
  switch (type) {
    case Type::PARSER:
    case Type::SYNTAX: return {sqlstate::kSyntaxError, Fault::kUser};
    case Type::CATALOG: return {sqlstate::kUndefinedTable, Fault::kUser};
    case Type::BINDER: return {sqlstate::kUndefinedColumn, Fault::kUser};
    case Type::NOT_IMPLEMENTED:
    case Type::MISSING_EXTENSION:
    case Type::AUTOLOAD: return {sqlstate::kNotSupported, Fault::kUser};
    case Type::PERMISSION: return {"42501", Fault::kUser};
    case Type::CONVERSION: return {sqlstate::kInvalidText, Fault::kUser};
    case Type::OUT_OF_RANGE: return {"22003", Fault::kUser};
    case Type::DIVIDE_BY_ZERO: return {"22012", Fault::kUser};
    case Type::OUT_OF_MEMORY: return {"53200", Fault::kInternal};
    case Type::INTERRUPT: return {sqlstate::kCancelled, Fault::kUser};
    case Type::IO: return {sqlstate::kIoError, Fault::kExternal};
    case Type::INTERNAL:
    case Type::FATAL:
    case Type::SERIALIZATION: return {sqlstate::kInternal, Fault::kInternal};
    default: return {sqlstate::kInvalidParameter, Fault::kUser};
  }
}

std::optional<SourceSpan> position_of(const duckdb::ErrorData& data) {
  auto found = data.ExtraInfo().find("position");
  if (found == data.ExtraInfo().end()) return std::nullopt;
  const std::string& text = found->second;
  uint64_t offset = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return SourceSpan{offset, 1};
}

}  // namespace

std::string message_from(const std::exception& exception) { return duckdb::ErrorData(exception).RawMessage(); }

Error error_from(const std::exception& exception) {
  duckdb::ErrorData data(exception);
  Kind kind = kind_of(data.Type());
  Error error;
  error.fault = kind.fault;
  error.code = kind.code;
  error.message = data.RawMessage();
  error.position = position_of(data);
  return error;
}

}  // namespace millrace::batch
