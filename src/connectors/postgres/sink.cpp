#include "connectors/postgres/sink.h"

#include <fmt/format.h>

#include <atomic>
#include <optional>
#include <utility>

#include "base/failpoints.h"
#include "connectors/postgres/changes.h"
#include "connectors/postgres/connection.h"
#include "connectors/postgres/position.h"
#include "connectors/postgres/table.h"

namespace millrace::connectors::postgres {
namespace {

class PostgresSink final : public Sink {
 public:
  PostgresSink(const SinkSetup& setup, TableName table, ConnectionOptions connect)
      : setup_(setup),
        name_(std::move(table)),
        connect_(std::move(connect)),
        rows_max_(static_cast<uint64_t>(setup.options.integer("batch_rows", 50000))),
        bytes_max_(static_cast<uint64_t>(setup.options.integer("batch_bytes", 8 << 20))),
        age_max_(setup.options.duration("every").value_or(Duration::from_millis(100))),
        row_(setup, name_, fmt::format("{:016x}", setup.env->random().next())) {}

  Status check() override {
    MR_TRY(named(connect()));
    MR_TRY(named(row_.create_table(*connection_)));
    return named(find_table(setup_.options.boolean("create_table")));
  }

  Result<int64_t> open() override {
    bool same_session = std::exchange(refused_, false) && connection_ && connection_->is_idle();
    if (!same_session) {
      MR_TRY(named(connect()));
      MR_TRY(named(row_.create_table(*connection_)));
      MR_TRY(named(find_table(false)));
      if (setup_.mode == SinkMode::kUpsert) MR_TRY(named(connection_->execute(table_->create_stage())));
    }
    auto claimed = named(row_.claim(*connection_));
    if (!claimed.ok()) return std::move(claimed).error();
    position_ = committed_ = *claimed;
    if (!changes_) changes_.emplace(setup_, table_->as_array());
    changes_->clear();
    return position_.next_offset;
  }

  Status write(const batch::Batch& rows, int64_t next_offset) override {
    add(rows);
    position_.next_offset = next_offset;
    return {};
  }

  Status write_again(const batch::Batch& rows, int64_t next_dead_offset) override {
    add(rows);
    position_.replayed = next_dead_offset;
    return {};
  }

  Status commit() override {
    if (position_.next_offset == committed_.next_offset && position_.replayed == committed_.replayed) return {};
    MR_TRY(transaction([&] { return send_changes(); }));
    changes_->clear();
    return {};
  }

  bool wants_commit(Timestamp now) const override {
    if (changes_->rows() == 0) return position_.next_offset != committed_.next_offset;
    // A clock that was set back must not hold rows for ever.
    bool old = now < oldest_ || now - oldest_ >= age_max_;
    return old || changes_->rows() >= rows_max_ || changes_->size_bytes() >= bytes_max_;
  }

  Status replace(const SnapshotReader& rows, uint64_t epoch) override {
    position_.snapshot_epoch = epoch;
    return transaction([&]() -> Status {
      MR_TRY(connection_->execute(table_->delete_all()));
      MR_TRY(connection_->begin_copy(table_->copy_into_table()));
      batch::Batch batch(setup_.schema);
      while (true) {
        batch.reset();
        changes_->clear();
        MR_TRY(rows(batch));
        if (batch.empty()) break;
        changes_->add(batch);
        MR_TRY(changes_->send([&](std::string_view piece) { return connection_->copy(piece); }));
      }
      return connection_->finish_copy();
    });
  }

  Result<uint64_t> snapshot_epoch() override { return committed_.snapshot_epoch; }
  bool refused_rows() const override { return refused_; }
  int64_t replayed() const override { return committed_.replayed; }
  void interrupt() override { interrupted_ = true; }

 private:
  Status connect() {
    connection_.reset();
    MR_ASSIGN(connection_, Connection::open(*setup_.env, connect_, interrupted_));
    return {};
  }

  Status find_table(bool create) {
    MR_ASSIGN(table_, Table::find(*connection_, name_, setup_, create));
    changes_.reset();  // the columns may be others now
    return {};
  }

  void add(const batch::Batch& rows) {
    if (changes_->rows() == 0) oldest_ = setup_.env->clock().now();
    changes_->add(rows);
  }

  /// The position and what `body` does, at once. After a failure open() asks where the destination is.
  template <typename Body>
  Status transaction(Body body) {
    Status status = run_transaction(body);
    if (status.ok()) {
      committed_ = position_;
      table_is_new_ = false;
      return {};
    }
    // A session that saw the table as it is now is kept while the rows that are refused are searched for.
    bool kept = refused_ && table_is_new_ && connection_->execute("ROLLBACK").ok();
    if (!kept) connection_.reset();
    table_is_new_ = refused_;
    return named(std::move(status));
  }

  template <typename Body>
  Status run_transaction(Body& body) {
    MR_TRY(connection_->execute("BEGIN"));
    MR_TRY(row_.advance(*connection_, position_));
    MR_TRY(failpoint("sink.postgres.begun"));
    MR_TRY(noted(body()));
    MR_TRY(failpoint("sink.postgres.written"));
    auto answer = connection_->query("COMMIT");  // constraints that are deferred are checked in here
    if (!answer.ok()) return noted(std::move(answer).error());
    if (answer->tag != "COMMIT") return internal_error("PostgreSQL answered COMMIT by " + answer->tag);
    return failpoint("sink.postgres.committed");
  }

  Status send_changes() {
    if (!changes_->has_lines()) return {};
    bool upsert = setup_.mode == SinkMode::kUpsert;
    MR_TRY(connection_->begin_copy(upsert ? table_->copy_into_stage() : table_->copy_into_table()));
    MR_TRY(changes_->send([&](std::string_view piece) { return connection_->copy(piece); }));
    MR_TRY(connection_->finish_copy());
    if (!upsert) return {};
    if (changes_->has_deletes()) MR_TRY(connection_->execute(table_->delete_staged()));
    if (changes_->has_null_deletes()) MR_TRY(connection_->execute(table_->delete_staged_nulls()));
    return connection_->execute(table_->upsert_staged());
  }

  /// Remembers whether it is the rows that the server refuses.
  Status noted(Status status) {
    refused_ = !status.ok() && is_about_data(status.error());
    return status;
  }

  Status failpoint(const char* name) { return setup_.env->failpoints().point(name).check(); }

  template <typename T>
  Result<T> named(Result<T> result) const {
    if (result.ok()) return result;
    std::string prefix = "sink " + setup_.name;
    if (result.error().message.starts_with(prefix)) return result;
    return std::move(result).error().within(prefix);
  }

  const SinkSetup setup_;
  const TableName name_;
  const ConnectionOptions connect_;
  const uint64_t rows_max_;
  const uint64_t bytes_max_;
  const Duration age_max_;
  std::atomic<bool> interrupted_{false};
  PositionRow row_;
  std::unique_ptr<Connection> connection_;
  std::optional<Table> table_;
  std::optional<Changes> changes_;  // since the last commit
  Position committed_;              // what the destination holds
  Position position_;               // with the changes
  Timestamp oldest_;                // when the first of the changes came
  bool refused_ = false;
  bool table_is_new_ = false;  // the session looked at the table after the last commit that went well
};

Duration bounded(const SinkSetup& setup, const char* option, Duration otherwise) {
  return setup.options.duration(option).value_or(otherwise);
}

}  // namespace

Result<std::unique_ptr<Sink>> make_sink(const SinkSetup& setup) {
  ConnectionOptions connect;
  connect.url = setup.options.text("url");
  connect.connect_timeout = bounded(setup, "connect_timeout", Duration::from_seconds(5));
  connect.statement_timeout = bounded(setup, "statement_timeout", Duration::from_seconds(60));
  if (!connect.url.starts_with("postgresql://") && !connect.url.starts_with("postgres://")) {
    return user_error(sqlstate::kInvalidParameter, "sink " + setup.name + ": the url names no PostgreSQL server")
        .with_hint("write url = 'postgresql://user@host:5432/database'");
  }
  auto table = parse_table_name(setup.options.text("table"));
  if (!table.ok()) return std::move(table).error().within("sink " + setup.name);
  return std::unique_ptr<Sink>(std::make_unique<PostgresSink>(setup, std::move(table).value(), std::move(connect)));
}

}  // namespace millrace::connectors::postgres
