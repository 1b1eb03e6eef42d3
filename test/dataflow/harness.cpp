#include "dataflow/harness.h"

#include <algorithm>
#include <charconv>

namespace millrace::dataflow::testing {

using batch::Layout;

void add(Bag& bag, const Row& row, int64_t diff) {
  if (diff == 0) return;
  const auto [at, inserted] = bag.emplace(row, diff);
  if (inserted) return;
  at->second += diff;
  if (at->second == 0) bag.erase(at);
}

std::string print(const Bag& bag) {
  std::string text;
  for (const auto& [row, count] : bag) {
    text += "  [" + std::to_string(count) + "]";
    for (const std::string& cell : row) text += " " + cell;
    text += "\n";
  }
  return text;
}

batch::Type type(std::string_view name) {
  auto parsed = batch::Type::parse(name);
  MR_CHECK(parsed.ok(), parsed.error().message);
  return *parsed;
}

batch::Schema schema(const std::vector<std::string>& types) {
  batch::Schema made;
  for (size_t i = 0; i < types.size(); ++i) made.fields.push_back({"c" + std::to_string(i), type(types[i])});
  return made;
}

namespace {

batch::int128 parse_integer(const std::string& text) {
  batch::int128 value = 0;
  const bool negative = text[0] == '-';
  for (size_t i = negative ? 1 : 0; i < text.size(); ++i) value = value * 10 - (text[i] - '0');
  return negative ? value : -value;
}

std::string print_integer(batch::int128 value) {
  if (value == 0) return "0";
  std::string text;
  for (bool negative = value < 0; value != 0 || negative;) {
    if (value == 0) {
      text += '-';
      break;
    }
    const int digit = static_cast<int>(value % 10);
    text += static_cast<char>('0' + (digit < 0 ? -digit : digit));
    value /= 10;
  }
  std::reverse(text.begin(), text.end());
  return text;
}

template <typename T>
void set_number(batch::MutableColumn column, size_t row, const std::string& cell) {
  if constexpr (std::is_floating_point_v<T>) {
    column.set<T>(row, static_cast<T>(std::stod(cell)));
  } else {
    column.set<T>(row, static_cast<T>(parse_integer(cell)));
  }
}

void set_cell(batch::MutableColumn column, size_t row, const batch::Type& type, const std::string& cell) {
  if (cell == kNull) return column.set_null(row);
  switch (type.layout()) {
    case Layout::kBool: return set_number<uint8_t>(column, row, cell);
    case Layout::kInt16: return set_number<int16_t>(column, row, cell);
    case Layout::kInt32: return set_number<int32_t>(column, row, cell);
    case Layout::kInt64: return set_number<int64_t>(column, row, cell);
    case Layout::kInt128: return set_number<batch::int128>(column, row, cell);
    case Layout::kUint64: return set_number<uint64_t>(column, row, cell);
    case Layout::kDouble: return set_number<double>(column, row, cell);
    case Layout::kString: return column.set_string(row, cell);
    case Layout::kList: {  // "1;2;NULL", "" for an empty list
      std::vector<std::string> elements;
      for (size_t at = 0; at < cell.size();) {
        const size_t end = std::min(cell.find(';', at), cell.size());
        elements.push_back(cell.substr(at, end - at));
        at = end + 1;
      }
      const size_t first = column.add_list(row, elements.size());
      for (size_t i = 0; i < elements.size(); ++i) set_cell(column.child(), first + i, type.child(), elements[i]);
      return;
    }
    default: MR_CHECK(false, "the harness has no cells of this type");
  }
}

std::string cell_of(const batch::ColumnView& column, size_t row, const batch::Type& type) {
  if (column.is_null(row)) return kNull;
  switch (type.layout()) {
    case Layout::kBool: return std::to_string(column.at<uint8_t>(row));
    case Layout::kInt16: return std::to_string(column.at<int16_t>(row));
    case Layout::kInt32: return std::to_string(column.at<int32_t>(row));
    case Layout::kInt64: return std::to_string(column.at<int64_t>(row));
    case Layout::kUint64: return std::to_string(column.at<uint64_t>(row));
    case Layout::kInt128: {
      batch::int128 value;
      std::memcpy(&value, &column.at<batch::int128>(row), sizeof value);
      return print_integer(value);
    }
    case Layout::kDouble: return std::to_string(column.at<double>(row));
    case Layout::kString: return std::string(column.at<batch::StringRef>(row).view());
    default: return "?";
  }
}

}  // namespace

batch::Batch make_batch(const batch::Schema& schema, const std::vector<std::pair<Row, int64_t>>& rows) {
  batch::Batch batch(schema);
  batch.set_rows(rows.size());
  std::vector<int64_t> diffs;
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t column = 0; column < schema.size(); ++column) {
      set_cell(batch.mutable_column(column), row, schema[column].type, rows[row].first[column]);
    }
    diffs.push_back(rows[row].second);
  }
  if (std::any_of(diffs.begin(), diffs.end(), [](int64_t diff) { return diff != 1; })) batch.set_diffs(diffs);
  return batch;
}

Row row_of(const batch::Batch& batch, size_t row) {
  Row cells;
  for (size_t column = 0; column < batch.columns(); ++column) {
    const batch::Type& type = batch.type(column);
    cells.push_back(type.layout() == Layout::kList ? batch.value_text(column, row)
                                                   : cell_of(batch.column(column), row, type));
  }
  return cells;
}

batch::Session& session() {
  static auto instance = [] {
    auto opened = batch::SqlInstance::open({});
    MR_CHECK(opened.ok(), opened.error().message);
    return std::move(opened).value();
  }();
  static batch::Session made(*instance);
  return made;
}

Status Collector::push(const batch::Batch& batch) {
  EXPECT_LE(batch.rows(), batch::kBatchRows);
  for (size_t row = 0; row < batch.rows(); ++row) {
    add(bag, row_of(batch, row), batch.diff(row));
    retractions += batch.diff(row) < 0 ? 1 : 0;
  }
  rows += batch.rows();
  return {};
}

void SideCollector::row_failed(OperatorId, std::string_view, const batch::Batch& batch, size_t row, batch::int128,
                               std::string_view message) {
  add(failed, row_of(batch, row), batch.diff(row));
  last_message = message;
}

void SideCollector::row_late(OperatorId, size_t, const batch::Batch& batch, size_t row, batch::int128) {
  add(late, row_of(batch, row), batch.diff(row));
}

Case& Case::input(const std::vector<std::string>& types, bool append_only, int order_column, int watermark_column) {
  auto node = std::make_unique<plan::Node>();
  node->operation = plan::Source{};
  node->output = schema(types);
  node->append_only = append_only;
  node->order_column = order_column;
  node->watermark_column = watermark_column;
  inputs.push_back(std::move(node));
  return *this;
}

Case& Case::node(plan::Operation operation, const std::vector<std::string>& output, int order_column,
                 int watermark_column) {
  top.id = OperatorId(7);
  top.operation = std::move(operation);
  top.output = schema(output);
  top.order_column = order_column;
  top.watermark_column = watermark_column;
  top.append_only = false;
  return *this;
}

std::unique_ptr<Operator> Case::make(SideOutput& side) const {
  std::vector<const plan::Node*> nodes;
  for (const auto& node : inputs) nodes.push_back(node.get());
  auto made = make_operator(top, nodes, OperatorContext{&session(), &side});
  MR_CHECK(made.ok(), made.error().message);
  return std::move(made).value();
}

std::unique_ptr<Operator> Case::restored(Operator& from, SideOutput& side) const {
  auto made = make(side);
  const auto old_tables = from.tables();
  const auto new_tables = made->tables();
  MR_CHECK(old_tables.size() == new_tables.size(), "tables differ after a restart");
  for (size_t i = 0; i < old_tables.size(); ++i) {
    MR_CHECK(old_tables[i].id == new_tables[i].id, "tables differ after a restart");
    old_tables[i].table->for_each([&](const state::Entry& entry) {
      const Status status = new_tables[i].table->restore(entry);
      MR_CHECK(status.ok(), status.error().message);
    });
  }
  return made;
}

namespace {

/// A random row that is in the bag (also one that this step put there).
const Row& any_row(const Bag& bag, Random& random) {
  auto at = bag.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random.below(bag.size())));
  return at->first;
}

}  // namespace

/// Takes everything back: the output is what an empty input gives, and the state is empty but for a global group.
void retract_all(const Case& test, const Property& property, Operator& op, std::vector<Bag>& inputs, Collector& out) {
  for (size_t port = 0; port < inputs.size(); ++port) {
    std::vector<std::pair<Row, int64_t>> rows;
    for (const auto& [row, count] : inputs[port]) rows.emplace_back(row, -count);
    inputs[port].clear();
    EXPECT_TRUE(op.push(port, make_batch(test.inputs[port]->output, rows), out).ok());
  }
  EXPECT_TRUE(op.finish(out).ok());
  const Bag expected = property.expected(inputs);
  EXPECT_EQ(out.bag, expected) << print(out.bag);
  size_t entries = 0;
  for (const auto& table : op.tables()) entries += table.table->entries();
  EXPECT_LE(entries, expected.size()) << "state is left behind";
}

uint64_t run(const Case& test, const Property& property) {
  uint64_t retracted = 0;
  for (int seed = 0; seed < property.seeds; ++seed) {
    Random random(static_cast<uint64_t>(seed));
    SideCollector side;
    auto op = test.make(side);
    Collector out;
    std::vector<Bag> inputs(test.inputs.size());
    uint64_t serial = 0;
    for (int step = 0; step < property.steps; ++step) {
      const uint64_t batches = random.below(4);
      std::vector<Row> owed(0);
      for (uint64_t i = 0; i < batches; ++i) {
        const size_t port = random.below(test.inputs.size());
        std::vector<std::pair<Row, int64_t>> rows;
        const uint64_t count = 1 + random.below(static_cast<uint64_t>(property.rows_max));
        while (rows.size() < count) {
          const bool retract = !test.inputs[port]->append_only && !inputs[port].empty() && random.chance(3);
          if (retract) {
            const Row row = any_row(inputs[port], random);
            rows.emplace_back(row, -1);
            add(inputs[port], row, -1);
            ++retracted;
          } else {
            const Row row = property.row(random, port, serial++);
            // Now and then a change comes as its retraction first.
            const bool early = !test.inputs[port]->append_only && random.chance(10);
            if (early) rows.emplace_back(row, -1);
            if (early) rows.emplace_back(row, 1);
            rows.emplace_back(row, 1);
            add(inputs[port], row, 1);
          }
        }
        const Status pushed = op->push(port, make_batch(test.inputs[port]->output, rows), out);
        EXPECT_TRUE(pushed.ok()) << pushed.error().message;
      }
      const Status finished = op->finish(out);
      EXPECT_TRUE(finished.ok()) << finished.error().message;
      const Bag expected = property.expected(inputs);
      EXPECT_EQ(out.bag, expected) << "seed " << seed << ", step " << step << "\ngot\n"
                                   << print(out.bag) << "expected\n"
                                   << print(expected);
      if (out.bag != expected || !finished.ok()) return retracted;
      if (random.chance(static_cast<uint64_t>(property.one_restart_in))) op = test.restored(*op, side);
    }
    const bool can_retract =
        std::none_of(test.inputs.begin(), test.inputs.end(), [](const auto& node) { return node->append_only; });
    if (can_retract) retract_all(test, property, *op, inputs, out);
  }
  return retracted;
}

namespace {

/// For outputs that would be large bags.
class Discard final : public Output {
 public:
  Status push(const batch::Batch&) override { return {}; }
};

uint64_t rows_read(Operator& op) {
  uint64_t total = 0;
  for (const auto& table : op.tables()) total += table.table->rows_read;
  return total;
}

}  // namespace

void expect_one_more_reads_little(const Case& test, const std::function<Row(uint64_t, size_t)>& row,
                                  const std::vector<Row>& last_of_port) {
  SideCollector side;
  auto op = test.make(side);
  Discard out;
  const uint64_t rows = kManyRows / test.inputs.size();
  std::vector<std::pair<Row, int64_t>> batch;
  for (size_t port = 0; port < test.inputs.size(); ++port) {
    for (uint64_t first = 0; first < rows; first += batch::kBatchRows) {
      batch.clear();
      for (uint64_t i = first; i < std::min<uint64_t>(rows, first + batch::kBatchRows); ++i)
        batch.emplace_back(row(i, port), 1);
      ASSERT_TRUE(op->push(port, make_batch(test.inputs[port]->output, batch), out).ok());
    }
  }
  ASSERT_TRUE(op->finish(out).ok());
  uint64_t read_in_all = 0;
  for (size_t port = 0; port < last_of_port.size(); ++port) {
    const uint64_t before = rows_read(*op);
    ASSERT_TRUE(op->push(port, make_batch(test.inputs[port]->output, {{last_of_port[port], 1}}), out).ok());
    ASSERT_TRUE(op->finish(out).ok());
    const uint64_t read = rows_read(*op) - before;
    EXPECT_LE(read, 100U) << "port " << port;
    read_in_all += read;
  }
  EXPECT_GE(read_in_all, 1U) << "the rows' groups were there";
}

}  // namespace millrace::dataflow::testing
