#include "connectors/postgres/position.h"

#include <charconv>
#include <utility>

#include "base/text.h"

namespace millrace::connectors::postgres {
namespace {

constexpr std::string_view kTable = "millrace_positions";

template <typename Number>
Result<Number> number_of(const Value& value) {
  Number number = 0;
  if (value) {
    auto [end, failed] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (failed == std::errc() && end == value->data() + value->size()) return number;
  }
  return external_error(sqlstate::kDataCorrupted, "a number in millrace_positions is none: " + value.value_or("NULL"));
}

}  // namespace

PositionRow::PositionRow(const SinkSetup& setup, const TableName& beside, std::string owner)
    : sink_(setup.name), source_(setup.identity), table_(beside.beside(kTable)), owner_(std::move(owner)) {}

Status PositionRow::create_table(Connection& connection) {
  MR_ASSIGN(Answer there, connection.query("SELECT to_regclass($1)", {table_}));
  if (there.rows[0][0]) return {};
  return connection.execute(
      "CREATE TABLE IF NOT EXISTS " + table_ +
      " (sink text PRIMARY KEY, source text NOT NULL, owner text NOT NULL, "
      "fence bigint NOT NULL, next_offset bigint NOT NULL, snapshot_epoch numeric(20,0) NOT NULL, "
      "replayed bigint NOT NULL, updated_at timestamptz NOT NULL)");
}

Result<Position> PositionRow::claim(Connection& connection) {
  MR_ASSIGN(
      Answer answer,
      connection.query("INSERT INTO " + table_ +
                           " AS p VALUES ($1, $2, $3, 1, 0, 0, 0, now()) "
                           "ON CONFLICT (sink) DO UPDATE SET fence = p.fence + 1, owner = excluded.owner, "
                           "updated_at = now() WHERE p.source = excluded.source AND (p.owner = $3 OR $4::boolean) "
                           "RETURNING fence, next_offset, snapshot_epoch, replayed",
                       {sink_, source_, owner_, claimed_ ? "false" : "true"}));
  if (answer.rows.empty()) return refused(connection);
  const std::vector<Value>& row = answer.rows[0];
  fence_ = row[0].value_or("");
  Position position;
  MR_ASSIGN(position.next_offset, number_of<int64_t>(row[1]));
  MR_ASSIGN(position.snapshot_epoch, number_of<uint64_t>(row[2]));
  MR_ASSIGN(position.replayed, number_of<int64_t>(row[3]));
  claimed_ = true;
  return position;
}

Error PositionRow::refused(Connection& connection) const {
  auto answer = connection.query("SELECT source FROM " + table_ + " WHERE sink = $1", {sink_});
  if (!answer.ok()) return std::move(answer).error();
  bool other_source = !answer->rows.empty() && answer->rows[0][0] != source_;
  if (other_source) {
    return user_error(sqlstate::kObjectInUse,
                      "sink " + sink_ + ": another view or data directory delivers under this name")
        .with_hint("name the sink otherwise; or, when the other is gone for good, empty the table and DELETE FROM " +
                   table_ + " WHERE sink = " + quote_literal(sink_));
  }
  return user_error(sqlstate::kObjectInUse, "sink " + sink_ + ": another process has taken over its deliveries")
      .with_hint("stop one of the two; a restart of this one takes over again");
}

Status PositionRow::advance(Connection& connection, const Position& position) {
  MR_ASSIGN(Answer answer,
            connection.query("UPDATE " + table_ +
                                 " SET next_offset = $3, snapshot_epoch = $4, replayed = $5, "
                                 "updated_at = now() WHERE sink = $1 AND fence = $2 RETURNING 1",
                             {sink_, fence_, std::to_string(position.next_offset),
                              std::to_string(position.snapshot_epoch), std::to_string(position.replayed)}));
  if (answer.rows.empty()) return refused(connection);
  return {};
}

}  // namespace millrace::connectors::postgres
