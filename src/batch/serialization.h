// How bound expressions are written down: DuckDB's own binary serialization. Readable by the same version of DuckDB
// only, so a stored plan carries that version beside it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/instance.h"

namespace duckdb {
class Expression;
}

namespace millrace::batch {

Result<std::string> serialize_bound(const duckdb::Expression& expression);

/// Looks functions up again in the session's catalog. Fails on bytes of another version and on functions that are gone.
Result<std::shared_ptr<const duckdb::Expression>> deserialize_bound(std::string_view bytes, Session& session);

}  // namespace millrace::batch
