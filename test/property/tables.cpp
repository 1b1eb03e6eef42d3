#include "tables.h"

#include <algorithm>

#include "base/text.h"

namespace millrace::test {
namespace {

constexpr size_t kFeedRowsMax = 40;

class Reader final : public sql::RelationReader {
 public:
  Reader(const History& history, const std::vector<uint32_t>& rows) : history_(history), rows_(rows) {}
  Status next(batch::Batch& out) override {
    size_t row = 0;
    for (; row < batch::kBatchRows && at_ < rows_.size(); ++row, ++at_)
      put_row(out, row, history_.rows[rows_[at_]].row);
    out.set_rows(row);
    return {};
  }

 private:
  const History& history_;
  const std::vector<uint32_t>& rows_;
  size_t at_ = 0;
};

std::optional<uint32_t> table_number(const History& history, std::string_view name) {
  for (uint32_t i = 0; i < history.tables.size(); ++i) {
    if (iequals(history.tables[i].name, name)) return i;
  }
  return std::nullopt;
}

}  // namespace

void Tables::add_view(const std::string& name, const plan::Plan& plan) {
  sql::RelationInfo info;
  info.name = name;
  info.kind = sql::RelationKind::kMaterializedView;
  info.schema = plan.schema();
  info.append_only = plan.root().append_only;
  views_.push_back(std::move(info));
}

void Tables::apply(const Step& step) {
  for (const Change& change : step.changes) {
    std::vector<uint32_t>& rows = rows_[history_.rows[change.row].table];
    if (change.diff > 0) {
      rows.push_back(change.row);
    } else {
      rows.erase(std::find(rows.begin(), rows.end(), change.row));
    }
  }
}

std::optional<sql::RelationInfo> Tables::find(std::string_view name) const {
  for (const sql::RelationInfo& view : views_) {
    if (iequals(view.name, name)) return view;
  }
  const auto number = table_number(history_, name);
  if (!number) return std::nullopt;
  sql::RelationInfo info;
  info.name = history_.tables[*number].name;
  info.kind = sql::RelationKind::kTable;
  info.schema = history_.tables[*number].schema;
  info.append_only = history_.tables[*number].append_only;
  return info;
}

Result<std::unique_ptr<sql::RelationReader>> Tables::read(std::string_view name) const {
  const auto number = table_number(history_, name);
  MR_CHECK(number.has_value(), "a query of a property test reads a view's rows");
  return std::unique_ptr<sql::RelationReader>(std::make_unique<Reader>(history_, rows_[*number]));
}

Status StepFeed::feed(uint32_t worker, const std::string&, const plan::Node& node, dataflow::Output& out) {
  const auto& source = std::get<plan::Source>(node.operation);
  std::vector<uint32_t> columns;
  for (const auto& column : source.columns) columns.push_back(column.field);
  const auto number = table_number(history_, source.relation);
  MR_CHECK(number.has_value(), "a graph of a property test asks for the rows of a view");
  std::vector<Change> changes;
  std::copy_if(step_.changes.begin(), step_.changes.end(), std::back_inserter(changes),
               [&](const Change& change) {
                 return history_.rows[change.row].table == *number && change.row % step_.workers == worker;
               });
  Random random(step_.batch_seed + worker);
  for (size_t at = 0; at < changes.size();) {
    const size_t limit = step_.batch_seed == 0 ? batch::kBatchRows : 1 + random() % kFeedRowsMax;
    const size_t count = std::min(changes.size() - at, limit);
    batch::Batch rows(history_.tables[*number].schema);
    std::vector<int64_t> diffs;
    for (size_t i = 0; i < count; ++i) {
      put_row(rows, i, history_.rows[changes[at + i].row].row);
      diffs.push_back(changes[at + i].diff);
    }
    rows.set_rows(count);
    if (std::any_of(diffs.begin(), diffs.end(), [](int64_t diff) { return diff != 1; }))
      rows.set_diffs(std::move(diffs));
    MR_TRY(out.push(rows.project(columns)));
    at += count;
  }
  return {};
}

}  // namespace millrace::test
