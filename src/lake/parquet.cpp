#include "lake/parquet.h"

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/copy_function_catalog_entry.hpp>
#include <duckdb/common/virtual_file_system.hpp>
#include <duckdb/execution/execution_context.hpp>
#include <duckdb/function/copy_function.hpp>
#include <duckdb/parallel/thread_context.hpp>

#include "base/text.h"
#include "batch/duckdb_error.h"
#include "lake/env_files.h"

namespace millrace::lake {
namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;

constexpr uint64_t kHouseMemoryBytes = 1ULL << 30;

/// One instance of DuckDB whose files are the Env's.
struct House {
  explicit House(Env& env) {
    duckdb::DBConfig config;
    config.options.maximum_threads = 1;
    config.options.maximum_memory = kHouseMemoryBytes;
    config.options.use_temporary_directory = false;
    config.options.autoload_known_extensions = false;
    config.options.autoinstall_known_extensions = false;
    auto env_files = duckdb::make_uniq<EnvFiles>(env);
    files = env_files.get();
    config.file_system = duckdb::make_uniq<duckdb::VirtualFileSystem>(std::move(env_files));
    database = std::make_unique<duckdb::DuckDB>(nullptr, &config);
    connection = std::make_unique<duckdb::Connection>(*database);
    run("SET TimeZone = 'UTC'");
  }

  std::unique_ptr<duckdb::QueryResult> run(const std::string& sql) {
    auto result = connection->Query(sql);
    if (result->HasError()) result->ThrowError();
    return result;
  }

  EnvFiles* files = nullptr;  // owned by the database
  std::unique_ptr<duckdb::DuckDB> database;
  std::unique_ptr<duckdb::Connection> connection;
};

/// As batch::guarded, but what the Env's files said comes first.
template <typename Body>
auto guarded(House& house, Body&& body) -> decltype(body()) {
  house.files->take_failure();
  auto result = batch::guarded(std::forward<Body>(body));
  if (result.ok()) return result;
  if (auto failure = house.files->take_failure()) return *std::move(failure);
  return result;
}

/// The type of a column outside.
LogicalType outside_type(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::HUGEINT:
    case LogicalTypeId::UHUGEINT: return LogicalType::DECIMAL(38, 0);
    case LogicalTypeId::LIST: return LogicalType::LIST(outside_type(duckdb::ListType::GetChildType(type)));
    case LogicalTypeId::ARRAY:
      return LogicalType::ARRAY(outside_type(duckdb::ArrayType::GetChildType(type)), duckdb::ArrayType::GetSize(type));
    case LogicalTypeId::MAP:
      return LogicalType::MAP(outside_type(duckdb::MapType::KeyType(type)),
                              outside_type(duckdb::MapType::ValueType(type)));
    case LogicalTypeId::STRUCT: {
      duckdb::child_list_t<LogicalType> fields;
      for (const auto& [name, field] : duckdb::StructType::GetChildTypes(type))
        fields.emplace_back(name, outside_type(field));
      return LogicalType::STRUCT(std::move(fields));
    }
    default: return type;
  }
}

bool cast(duckdb::Vector& from, duckdb::Vector& to, size_t rows) {
  std::string reason;
  return duckdb::VectorOperations::DefaultTryCast(from, to, rows, &reason, true);
}

/// The first row that cannot be cast.
size_t failing_row(duckdb::Vector& column, const LogicalType& type, size_t rows) {
  for (size_t row = 0; row < rows; ++row) {
    duckdb::SelectionVector selection(1);
    selection.set_index(0, row);
    duckdb::Vector one(column, selection, 1);
    duckdb::Vector result(type, 1);
    if (!cast(one, result, 1)) return row;
  }
  return rows;
}

}  // namespace

struct ParquetWriter::State {
  State(Env& env, const batch::Schema& row_schema) : house(env), schema(row_schema) {}

  void bind(const std::string& compression);
  Status append(const batch::Batch& rows);
  Status append_chunk(duckdb::DataChunk& rows);
  duckdb::ClientContext& context() { return *house.connection->context; }

  House house;
  batch::Schema schema;
  std::vector<bool> is_cast;  // by column
  duckdb::vector<LogicalType> types;
  duckdb::optional_ptr<duckdb::CopyFunction> function;
  duckdb::unique_ptr<duckdb::FunctionData> bound;
  std::unique_ptr<duckdb::ThreadContext> thread;
  std::unique_ptr<duckdb::ExecutionContext> execution;
  // The present file.
  duckdb::unique_ptr<duckdb::GlobalFunctionData> file;
  duckdb::unique_ptr<duckdb::LocalFunctionData> buffer;
  uint64_t rows = 0;
  uint64_t start_bytes = 0;    // of house.files->bytes_written()
  uint64_t waiting_bytes = 0;  // of the row group that is not written yet
};

void ParquetWriter::State::bind(const std::string& compression) {
  duckdb::vector<std::string> names;
  for (const batch::Field& field : schema.fields) {
    names.push_back(field.name);
    types.push_back(outside_type(field.type.duckdb_type()));
    is_cast.push_back(types.back() != field.type.duckdb_type());
  }
  duckdb::CopyInfo info;
  info.is_from = false;
  info.format = "parquet";
  info.options["compression"] = {duckdb::Value(compression == "none" ? "uncompressed" : compression)};
  duckdb::CopyFunctionBindInput input(info);
  context().RunFunctionInTransaction([&] {
    auto& catalog = duckdb::Catalog::GetSystemCatalog(context());
    function = &catalog.GetEntry<duckdb::CopyFunctionCatalogEntry>(context(), DEFAULT_SCHEMA, "parquet").function;
    bound = function->copy_to_bind(context(), input, names, types);
    thread = std::make_unique<duckdb::ThreadContext>(context());
  });
  execution = std::make_unique<duckdb::ExecutionContext>(context(), *thread, nullptr);
}

Status ParquetWriter::State::append_chunk(duckdb::DataChunk& from) {
  duckdb::DataChunk out;
  out.InitializeEmpty(types);
  duckdb::vector<duckdb::Vector> results;
  results.reserve(types.size());
  for (size_t column = 0; column < types.size(); ++column) {
    if (!is_cast[column]) {
      out.data[column].Reference(from.data[column]);
      continue;
    }
    duckdb::Vector& result = results.emplace_back(types[column], std::max<size_t>(from.size(), 1));
    if (!cast(from.data[column], result, from.size())) {
      size_t row = failing_row(from.data[column], types[column], from.size());
      return user_error(sqlstate::kInvalidText,
                        "column " + schema[column].name + ", row " + std::to_string(rows + row + 1) +
                            ": the value does not fit DECIMAL(38,0), as which HUGEINT is written: " +
                            from.GetValue(column, row).ToString())
          .with_hint("cast the column in the view, to DOUBLE or VARCHAR");
    }
    out.data[column].Reference(result);
  }
  out.SetCardinality(from.size());
  waiting_bytes += out.GetAllocationSize();
  uint64_t before = house.files->bytes_written();
  function->copy_to_sink(*execution, *bound, *file, *buffer, out);
  if (house.files->bytes_written() > before) waiting_bytes = 0;  // a row group was written
  rows += from.size();
  return {};
}

Status ParquetWriter::State::append(const batch::Batch& from) {
  if (from.all_inserts()) {
    batch::Batch shared = from.share();
    return append_chunk(shared.chunk());
  }
  std::vector<uint32_t> multiplied;
  auto flush = [&]() -> Status {
    if (multiplied.empty()) return {};
    batch::Batch selected = from.select(multiplied);
    multiplied.clear();
    return append_chunk(selected.chunk());
  };
  for (uint32_t row = 0; row < from.rows(); ++row) {
    for (int64_t copy = 0; copy < from.diff(row); ++copy) {
      multiplied.push_back(row);
      if (multiplied.size() == batch::kBatchRows) MR_TRY(flush());
    }
  }
  return flush();
}

ParquetWriter::ParquetWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
ParquetWriter::~ParquetWriter() = default;

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::create(Env& env, const batch::Schema& schema,
                                                             const std::string& compression) {
  return batch::guarded([&]() -> Result<std::unique_ptr<ParquetWriter>> {
    auto state = std::make_unique<State>(env, schema);
    state->bind(compression);
    return std::unique_ptr<ParquetWriter>(new ParquetWriter(std::move(state)));
  });
}

Status ParquetWriter::begin(const std::string& path) {
  State& state = *state_;
  return guarded(state.house, [&]() -> Status {
    state.buffer.reset();
    state.file.reset();
    state.rows = state.waiting_bytes = 0;
    state.start_bytes = state.house.files->bytes_written();
    state.file = state.function->copy_to_initialize_global(state.context(), *state.bound, path);
    state.buffer = state.function->copy_to_initialize_local(*state.execution, *state.bound);
    return {};
  });
}

Status ParquetWriter::append(const batch::Batch& rows) {
  MR_CHECK(state_->file != nullptr, "rows without a file");
  return guarded(state_->house, [&] { return state_->append(rows); });
}

Status ParquetWriter::finish() {
  State& state = *state_;
  MR_CHECK(state.file != nullptr, "finish without a file");
  return guarded(state.house, [&]() -> Status {
    state.function->copy_to_combine(*state.execution, *state.bound, *state.file, *state.buffer);
    state.function->copy_to_finalize(state.context(), *state.bound, *state.file);
    state.buffer.reset();
    state.file.reset();
    return {};
  });
}

uint64_t ParquetWriter::bytes() const {
  return state_->house.files->bytes_written() - state_->start_bytes + state_->waiting_bytes;
}

namespace {

Result<std::string> query_text(Env& env, const std::string& sql, const char* separator, const char* line_end) {
  return batch::guarded([&]() -> Result<std::string> {
    House house(env);
    return guarded(house, [&]() -> Result<std::string> {
      auto result = house.run(sql);
      std::string out;
      for (auto chunk = result->Fetch(); chunk && chunk->size() > 0; chunk = result->Fetch()) {
        for (size_t row = 0; row < chunk->size(); ++row) {
          for (size_t column = 0; column < chunk->ColumnCount(); ++column) {
            out += (column == 0 ? "" : separator) + chunk->GetValue(column, row).ToString();
          }
          out += line_end;
        }
      }
      return out;
    });
  });
}

}  // namespace

Result<std::string> parquet_text(Env& env, const std::string& path, const std::string& columns) {
  return query_text(env, "SELECT " + columns + " FROM read_parquet(" + quote_literal(path) + ")", "|", "\n");
}

Result<std::string> parquet_columns(Env& env, const std::string& path) {
  return query_text(
      env, "SELECT column_name || ' ' || column_type FROM (DESCRIBE FROM read_parquet(" + quote_literal(path) + "))",
      "|", "\n");
}

}  // namespace millrace::lake
