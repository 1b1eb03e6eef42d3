// What SELECT may read, as the binder sees it. The engine implements RelationResolver over its catalog and state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/batch.h"
#include "batch/type.h"

namespace millrace::sql {

enum class RelationKind : uint8_t { kStream, kTable, kMaterializedView, kView, kSystem };

struct RelationInfo {
  std::string name;  ///< as it was created
  RelationKind kind = RelationKind::kStream;
  batch::Schema schema;
  /// Never takes a row back: streams, and views whose plan says so.
  bool append_only = true;
  /// Columns that identify a row; empty when none are known.
  std::vector<uint32_t> key;
  /// Column of WATERMARK FOR; -1 means the append time.
  int32_t watermark_column = -1;
  /// kView: the query it stands for.
  std::string view_query;
  /// kView: names for the first columns of its query.
  std::vector<std::string> view_columns;
  /// The raw rows of a table with a primary key: has the meta column _deleted too.
  bool has_deletes = false;
  /// Of these: the columns of the primary key, which for them is none.
  std::vector<uint32_t> version_key;
  /// Has the meta columns _append_time, _partition, _offset, _message_id.
  bool has_positions() const { return kind == RelationKind::kStream; }
};

/// Reads the committed rows of a relation once, for a pull query. Negative diffs never appear; a diff of n means n
/// rows.
class RelationReader {
 public:
  virtual ~RelationReader() = default;
  /// Fills `out` (whose types are the relation's columns, then the meta columns when it has positions) with up to
  /// kBatchRows rows; leaves it empty at the end.
  virtual Status next(batch::Batch& out) = 0;
};

class RelationResolver {
 public:
  virtual ~RelationResolver() = default;
  /// Compares without case.
  virtual std::optional<RelationInfo> find(std::string_view name) const = 0;
  /// The rows that made the relation, each from its time on: of a table with a primary key its raw rows.
  virtual std::optional<RelationInfo> find_versions(std::string_view name) const { return find(name); }
  /// "Did you mean …?" for a name that find() does not know; empty when nothing is near.
  virtual std::string suggestion(std::string_view name) const = 0;
  virtual Result<std::unique_ptr<RelationReader>> read(std::string_view name) const = 0;
};

/// The meta columns of a stream, in the order in which readers give them.
inline constexpr size_t kMetaColumns = 4;
const batch::Schema& meta_schema();
/// Of RelationInfo::has_deletes; its number among meta columns is kMetaColumns. Only plans read it.
inline constexpr const char* kDeletedColumn = "_deleted";

}  // namespace millrace::sql
