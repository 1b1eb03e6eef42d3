#include "lake/parquet.h"

#include <duckdb.hpp>
#include <duckdb/main/appender.hpp>

#include "base/text.h"
#include "batch/duckdb_error.h"

namespace millrace::lake {
namespace {

std::unique_ptr<duckdb::DuckDB> open_house() {
  duckdb::DBConfig config;
  config.options.maximum_threads = 1;
  config.SetOptionByName("autoinstall_known_extensions", duckdb::Value::BOOLEAN(false));
  config.SetOptionByName("autoload_known_extensions", duckdb::Value::BOOLEAN(false));
  return std::make_unique<duckdb::DuckDB>(nullptr, &config);
}

void run(duckdb::Connection& connection, const std::string& sql) {
  auto result = connection.Query(sql);
  if (result->HasError()) result->ThrowError();
}

/// The type of a column outside: DuckDB's Parquet writer would make HUGEINT a DOUBLE and lose digits.
std::string outside_type(const batch::Type& type) {
  return type.id() == batch::TypeId::kHugeint ? "DECIMAL(38,0)" : type.name();
}

}  // namespace

struct ParquetWriter::State {
  std::unique_ptr<duckdb::DuckDB> database = open_house();
  duckdb::Connection connection{*database};
  std::unique_ptr<duckdb::Appender> appender;
  uint64_t rows = 0;

  void append(duckdb::DataChunk& chunk) {
    if (!appender) appender = std::make_unique<duckdb::Appender>(connection, "rows");
    appender->AppendDataChunk(chunk);
    rows += chunk.size();
  }
};

ParquetWriter::ParquetWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
ParquetWriter::~ParquetWriter() = default;

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::create(const batch::Schema& schema) {
  return batch::guarded([&]() -> Result<std::unique_ptr<ParquetWriter>> {
    auto state = std::make_unique<State>();
    std::string columns;
    for (const batch::Field& field : schema.fields) {
      columns += (columns.empty() ? "" : ", ") + std::string("\"");
      for (char c : field.name) columns.append(c == '"' ? 2 : 1, c);
      columns += "\" " + outside_type(field.type);
    }
    run(state->connection, "SET TimeZone = 'UTC'");
    run(state->connection, "CREATE TABLE rows (" + columns + ")");
    return std::unique_ptr<ParquetWriter>(new ParquetWriter(std::move(state)));
  });
}

Status ParquetWriter::append(const batch::Batch& rows) {
  return batch::guarded([&]() -> Status {
    if (rows.all_inserts()) {
      batch::Batch copy = rows.clone();  // the appender may flatten what it gets
      state_->append(copy.chunk());
      return {};
    }
    std::vector<uint32_t> multiplied;
    auto flush = [&] {
      if (multiplied.empty()) return;
      batch::Batch copy = rows.select(multiplied).clone();
      state_->append(copy.chunk());
      multiplied.clear();
    };
    for (uint32_t row = 0; row < rows.rows(); ++row) {
      for (int64_t copy = 0; copy < rows.diff(row); ++copy) {
        multiplied.push_back(row);
        if (multiplied.size() == batch::kBatchRows) flush();
      }
    }
    flush();
    return {};
  });
}

uint64_t ParquetWriter::rows() const { return state_->rows; }

Status ParquetWriter::write(const std::string& path) {
  return batch::guarded([&]() -> Status {
    if (state_->appender) {
      state_->appender->Close();
      state_->appender.reset();
    }
    run(state_->connection, "COPY rows TO " + quote_literal(path) + " (FORMAT parquet, COMPRESSION zstd)");
    run(state_->connection, "TRUNCATE rows");
    state_->rows = 0;
    return {};
  });
}

Result<std::string> parquet_text(const std::string& path) {
  return batch::guarded([&]() -> Result<std::string> {
    std::unique_ptr<duckdb::DuckDB> database = open_house();
    duckdb::Connection connection(*database);
    auto result = connection.Query("SELECT * FROM read_parquet(" + quote_literal(path) + ")");
    if (result->HasError()) result->ThrowError();
    std::string out;
    for (auto chunk = result->Fetch(); chunk && chunk->size() > 0; chunk = result->Fetch()) {
      for (size_t row = 0; row < chunk->size(); ++row) {
        for (size_t column = 0; column < chunk->ColumnCount(); ++column) {
          out += (column == 0 ? "" : "|") + chunk->GetValue(column, row).ToString();
        }
        out += "\n";
      }
    }
    return out;
  });
}

}  // namespace millrace::lake
