#include "batch/instance.h"

#include <duckdb.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/main/connection_manager.hpp>

#include "batch/duckdb_error.h"

namespace millrace::batch {

namespace {

/// Rules that read statistics, or that rewrite a plan into shapes made for one run over stored tables. Without them a
/// bound plan says what the user said (measured list: each one broke or blurred some plan).
constexpr const char* kDisabledOptimizers =
    "statistics_propagation,compressed_materialization,column_lifetime,build_side_probe_side,in_clause,late_"
    "materialization,"
    "join_filter_pushdown,sampling_pushdown,limit_pushdown,reorder_filter,regex_range,sum_rewriter,common_aggregate,"
    "duplicate_groups,materialized_cte";

struct Setting {
  const char* name;
  const char* value;
};

/// In this order; the lock comes last and is set apart.
const Setting kSettings[] = {
    {"TimeZone", "'UTC'"},
    {"Calendar", "'gregorian'"},
    {"default_null_order", "'nulls_last'"},
    {"disabled_optimizers", "''"},  // filled in below
    {"scalar_subquery_error_on_multiple_rows", "true"},
    {"allow_community_extensions", "false"},
    {"allow_persistent_secrets", "false"},
    {"autoinstall_known_extensions", "false"},
    {"autoload_known_extensions", "false"},
    {"enable_external_access", "false"},
};

void fill_config(const InstanceOptions& options, duckdb::DBConfig& config) {
  config.options.maximum_threads = options.threads;
  config.options.maximum_memory = options.memory_limit_bytes;
  config.options.use_temporary_directory = false;
  config.options.temporary_directory = "";
  config.options.autoload_known_extensions = false;
  config.options.autoinstall_known_extensions = false;
}

Status run(duckdb::Connection& connection, const std::string& statement) {
  auto result = connection.Query(statement);
  if (result->HasError()) return internal_error("DuckDB refused a setting: " + result->GetError());
  return {};
}

Status configure(duckdb::Connection& connection) {
  for (const Setting& setting : kSettings) {
    std::string value = setting.value;
    if (std::string_view(setting.name) == "disabled_optimizers") value = "'" + std::string(kDisabledOptimizers) + "'";
    MR_TRY(run(connection, "SET GLOBAL " + std::string(setting.name) + " = " + value));
  }
  return {};
}

}  // namespace

SqlInstance::SqlInstance() = default;
SqlInstance::~SqlInstance() = default;

Result<std::unique_ptr<SqlInstance>> SqlInstance::open(const InstanceOptions& options,
                                                       void (*before_lock)(duckdb::Connection&)) {
  return guarded([&]() -> Result<std::unique_ptr<SqlInstance>> {
    std::unique_ptr<SqlInstance> instance(new SqlInstance());
    duckdb::DBConfig config;
    fill_config(options, config);
    instance->database_ = std::make_unique<duckdb::DuckDB>(nullptr, &config);
    duckdb::Connection connection(*instance->database_);
    MR_TRY(configure(connection));
    if (before_lock) before_lock(connection);
    MR_TRY(run(connection, "SET GLOBAL lock_configuration = true"));
    return instance;
  });
}

void SqlInstance::interrupt() {
  for (auto& context : duckdb::ConnectionManager::Get(*database_->instance).GetConnectionList()) context->Interrupt();
}

Session::Session(SqlInstance& instance) : connection_(std::make_unique<duckdb::Connection>(instance.database())) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

void Session::interrupt() { connection_->Interrupt(); }

duckdb::ClientContext& Session::context() { return *connection_->context; }

}  // namespace millrace::batch
