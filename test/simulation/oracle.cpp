#include "simulation/oracle.h"

#include <fmt/format.h>

#include <set>

#include "base/text.h"
#include "simulation/destination.h"

namespace millrace::simulation {
namespace {

using batch::Type;
using batch::TypeId;

class StreamReader final : public sql::RelationReader {
 public:
  explicit StreamReader(const std::vector<Stored>& rows) : rows_(rows) {}
  Status next(batch::Batch& out) override {
    size_t row = 0;
    for (; row < batch::kBatchRows && at_ < rows_.size(); ++row, ++at_) {
      const Message& message = *rows_[at_].message;
      out.mutable_column(0).set<int32_t>(row, message.producer);
      out.mutable_column(1).set<int64_t>(row, message.number);
      out.mutable_column(2).set<int64_t>(row, message.k);
      out.mutable_column(3).set<int64_t>(row, message.v);
      out.mutable_column(4).set_string(row, message.g);
      out.mutable_column(5).set<int64_t>(row, message.ts.micros);
      out.mutable_column(6).set<int32_t>(row, rows_[at_].partition);
      out.mutable_column(7).set<int64_t>(row, rows_[at_].offset);
    }
    out.set_rows(row);
    return {};
  }

 private:
  const std::vector<Stored>& rows_;
  size_t at_ = 0;
};

class NamesReader final : public sql::RelationReader {
 public:
  explicit NamesReader(const std::map<int64_t, std::string>& names) : names_(names) {}
  Status next(batch::Batch& out) override {
    size_t row = 0;
    for (const auto& [k, name] : names_) {
      if (done_) break;
      out.mutable_column(0).set<int64_t>(row, k);
      out.mutable_column(1).set_string(row++, name);
    }
    done_ = true;
    out.set_rows(row);
    return {};
  }

 private:
  const std::map<int64_t, std::string>& names_;
  bool done_ = false;
};

const Message* sent_message(const std::vector<Producer>& producers, int64_t producer, int64_t number) {
  if (producer < 0 || producer >= static_cast<int64_t>(producers.size())) return nullptr;
  const std::deque<Message>& messages = producers[static_cast<size_t>(producer)].messages();
  if (number < 0 || number >= static_cast<int64_t>(messages.size())) return nullptr;
  return &messages[static_cast<size_t>(number)];
}

}  // namespace

std::string difference(const Bag& found, const Bag& wanted) {
  std::string text;
  int shown = 0;
  auto show = [&](const char* what, const std::string& row, int64_t count) {
    if (++shown <= 4) text += fmt::format("\n    {} {} x {}", what, count, row);
  };
  for (const auto& [row, count] : found) {
    auto other = wanted.find(row);
    if (other == wanted.end() || other->second != count) show("found ", row, count);
  }
  for (const auto& [row, count] : wanted) {
    auto other = found.find(row);
    if (other == found.end() || other->second != count) show("wanted", row, count);
  }
  return text;
}

Bag bag_of(const std::vector<batch::Batch>& batches) {
  Bag bag;
  for (const batch::Batch& batch : batches) {
    for (size_t row = 0; row < batch.rows(); ++row) bag[row_of(batch, row)] += batch.diff(row);
  }
  return bag;
}

std::string Oracle::take_input(engine::Node& node, const std::vector<Producer>& producers) {
  for (const std::string stream : {"events", "notes"}) {
    if (std::string wrong = take_stream(node, stream, producers); !wrong.empty()) return wrong;
    if (std::string wrong = take_dead(node, stream, producers); !wrong.empty()) return wrong;
  }
  return {};
}

std::string Oracle::take_stream(engine::Node& node, const std::string& stream, const std::vector<Producer>& producers) {
  auto answer = node.execute("SELECT producer, number, k, v, g, _partition, _offset FROM " + stream +
                             " ORDER BY _partition, _offset");
  if (!answer.ok()) return "cannot read " + stream + ": " + answer.error().message;
  std::vector<Stored> rows;
  std::set<const Message*> seen;
  std::map<std::pair<int32_t, int64_t>, Stored> last_of_key;
  for (const batch::Batch& batch : answer->batches) {
    const std::vector<uint32_t> columns{0, 1, 2, 3, 4};
    const batch::Batch content = batch.project(columns);
    for (size_t row = 0; row < batch.rows(); ++row) {
      const std::string text = row_of(content, row);
      const Message* message =
          sent_message(producers, std::stoll(batch.value_text(0, row)), std::stoll(batch.value_text(1, row)));
      if (!message || message->broken || message->row() != text) return "phantom in " + stream + ": " + text;
      if (!seen.insert(message).second) return "twice in " + stream + ": " + text;
      const Stored at{static_cast<int32_t>(std::stoll(batch.value_text(5, row))), std::stoll(batch.value_text(6, row)),
                      message};
      Stored& last = last_of_key.try_emplace({message->producer, message->k}, at).first->second;
      const bool keeps_order = last.partition == at.partition && last.message->number <= message->number;
      if (stream == "events" && !keeps_order) return "disordered in " + stream + ": " + text;
      last = at;
      rows.push_back(at);
    }
  }
  for (const Producer& producer : producers) {
    if (producer.stream() != stream) continue;
    for (const Message& message : producer.messages()) {
      if (message.acked && !message.broken && !seen.contains(&message))
        return "lost from " + stream + ": " + message.row();
    }
  }
  stored_[stream] = std::move(rows);
  return {};
}

std::string Oracle::take_dead(engine::Node& node, const std::string& stream, const std::vector<Producer>& producers) {
  auto answer = node.execute("SELECT decode(raw) FROM " + stream + "_dead");
  if (!answer.ok()) return "cannot read " + stream + "_dead: " + answer.error().message;
  Bag found = bag_of(answer->batches);
  Bag possible;
  for (const Producer& producer : producers) {
    for (const Message& message : producer.messages()) {
      if (!message.broken || producer.stream() != stream) continue;
      ++possible[message.json()];
      if (message.acked && !found.contains(message.json())) return "lost dead letter: " + message.json();
    }
  }
  for (const auto& [raw, count] : found) {
    if (count > possible[raw]) return fmt::format("{} times in {}_dead: {}", count, stream, raw);
  }
  return {};
}

Result<Bag> Oracle::run(const std::string& query) {
  MR_ASSIGN(sql::QueryResult result, sql::run_query(session_, *this, query, 0, 10000000));
  return bag_of(result.batches);
}

std::optional<sql::RelationInfo> Oracle::find(std::string_view name) const {
  const Type bigint(TypeId::kBigint);
  const Type varchar(TypeId::kVarchar);
  const Type integer(TypeId::kInteger);
  sql::RelationInfo info;
  info.kind = sql::RelationKind::kTable;
  info.name = to_lower_ascii(name);
  if (info.name == "names") {
    info.schema = {{{"k", bigint}, {"name", varchar}}};
    return info;
  }
  if (!stored_.contains(info.name)) return std::nullopt;
  info.schema = {{{"producer", integer},
                  {"number", bigint},
                  {"k", bigint},
                  {"v", bigint},
                  {"g", varchar},
                  {"ts", Type(TypeId::kTimestamp)},
                  {"part", integer},
                  {"pos", bigint}}};
  return info;
}

Result<std::unique_ptr<sql::RelationReader>> Oracle::read(std::string_view name) const {
  const std::string lower = to_lower_ascii(name);
  if (lower == "names") return std::unique_ptr<sql::RelationReader>(std::make_unique<NamesReader>(names_));
  return std::unique_ptr<sql::RelationReader>(std::make_unique<StreamReader>(stored_.at(lower)));
}

}  // namespace millrace::simulation
