#include "engine/relations.h"

#include <algorithm>

#include "base/text.h"
#include "sql/bind.h"

namespace millrace::engine {
namespace {

/// The committed rows of a view or table, copied once for all readers of a query; they count in what all queries hold.
struct CopiedRows {
  CopiedRows(const ViewStore& store, std::atomic<uint64_t>& held, uint64_t held_max)
      : held(held), snapshot(store.snapshot(held_max - std::min(held_max, held.load()))) {
    held += snapshot.memory_bytes();
  }
  ~CopiedRows() { held -= snapshot.memory_bytes(); }
  std::atomic<uint64_t>& held;
  const ViewStore::Snapshot snapshot;
};

class StoreReader final : public sql::RelationReader {
 public:
  explicit StoreReader(std::shared_ptr<const CopiedRows> rows) : rows_(std::move(rows)) {}

  Status next(batch::Batch& out) override { return rows_->snapshot.read(at_, out); }

 private:
  std::shared_ptr<const CopiedRows> rows_;
  ViewStore::Snapshot::Position at_;
};

/// The durable rows of a stream, decoded as they are read. What does not decode is left out: it is in the dead letters.
class StreamReader final : public sql::RelationReader {
 public:
  StreamReader(NodeState& node, StreamSource source, std::vector<Offset> ends, bool with_positions)
      : with_positions_(with_positions),
        source_(std::move(source)),
        ends_(std::move(ends)),
        session_(*node.instance),
        decoder_(source_, session_, node.env.failpoints()) {}

  Status next(batch::Batch& out) override {
    while (at_ == ready_.size() && partition_ < ends_.size()) MR_TRY(read_more());
    if (at_ == ready_.size()) return {};
    const DecodedBatch& decoded = ready_[at_++];
    std::vector<uint32_t> columns(source_.schema.size() + (with_positions_ ? sql::kMetaColumns : 0));
    for (uint32_t i = 0; i < columns.size(); ++i) columns[i] = i;
    out = decoded.rows.project(columns);
    return {};
  }

 private:
  Status read_more() {
    ready_.clear();
    at_ = 0;
    log::Partition& partition = source_.stream->partition(PartitionId(static_cast<int32_t>(partition_)));
    if (!started_) position_ = partition.begin_offset();
    started_ = true;
    if (position_ >= ends_[partition_]) {
      ++partition_;
      started_ = false;
      progress_ = {};
      return {};
    }
    MR_TRY(partition.read(position_, 4 << 20, read_));
    std::vector<DeadRecord> dead;
    MR_TRY(decoder_.decode(partition.id(), read_, position_, ends_[partition_], progress_, ready_, dead, nullptr));
    position_ = read_.next_offset();
    return {};
  }

  const bool with_positions_;
  StreamSource source_;
  std::vector<Offset> ends_;
  batch::Session session_;
  StreamDecoder decoder_;
  size_t partition_ = 0;
  bool started_ = false;
  Offset position_;
  PartitionProgress progress_;
  log::ReadBatches read_;
  std::vector<DecodedBatch> ready_;
  size_t at_ = 0;
};

class LedgerReader final : public sql::RelationReader {
 public:
  explicit LedgerReader(std::shared_ptr<const std::vector<ledger::Ledger::Row>> rows) : rows_(std::move(rows)) {}

  Status next(batch::Batch& out) override {
    size_t row = 0;
    for (; row < batch::kBatchRows && at_ < rows_->size(); ++row, ++at_) {
      const ledger::Ledger::Row& from = (*rows_)[at_];
      out.mutable_column(0).set_string(row, from.hop);
      out.mutable_column(1).set_string(row, from.stream_name);
      out.mutable_column(2).set<int64_t>(row, from.minute.micros);
      out.mutable_column(3).set<uint64_t>(row, from.count);
      out.mutable_column(4).set<uint64_t>(row, from.fingerprint);
    }
    out.set_rows(row);
    return {};
  }

 private:
  std::shared_ptr<const std::vector<ledger::Ledger::Row>> rows_;
  size_t at_ = 0;
};

std::vector<uint32_t> column_indices(const batch::Schema& schema, const std::vector<std::string>& names) {
  std::vector<uint32_t> indices;
  for (const std::string& name : names) {
    int index = schema.find(name);
    if (index < 0) return {};
    indices.push_back(static_cast<uint32_t>(index));
  }
  return indices;
}

}  // namespace

std::vector<sql::CatalogColumn> ledger_columns() {
  return {{"hop", "VARCHAR", true},
          {"stream", "VARCHAR", true},
          {"minute", "TIMESTAMP", true},
          {"count", "UBIGINT", true},
          {"fingerprint", "UBIGINT", true}};
}

Relations::Relations(NodeState& node, const sql::Catalog& catalog, std::string raw_of)
    : node_(node), catalog_(catalog), raw_of_(std::move(raw_of)) {}

sql::RelationInfo Relations::describe(const sql::Relation& relation) const {
  using Kind = sql::Relation::Kind;
  sql::RelationInfo info;
  info.name = relation.name;
  info.schema = schema_of(relation.columns);
  switch (relation.kind) {
    case Kind::kStream:
      if (relation.object->watermark) info.watermark_column = info.schema.find(relation.object->watermark->column);
      break;
    case Kind::kCompanion:
      // What a sink's destination refused is written by the sink, at any time: no view is made over it.
      if (relation.companion == sql::CompanionKind::kRefused) info.kind = sql::RelationKind::kSystem;
      break;
    case Kind::kTable: {
      info.kind = sql::RelationKind::kTable;
      info.key = column_indices(info.schema, relation.object->primary_key);
      PipelineView* table = node_.pipeline ? node_.pipeline->find_view(relation.name) : nullptr;
      info.append_only = table && table->plan.root().append_only;  // a bag that an older version planned
      break;
    }
    case Kind::kMaterializedView: {
      info.kind = sql::RelationKind::kMaterializedView;
      info.key = column_indices(info.schema, relation.object->primary_key);
      PipelineView* view = node_.pipeline ? node_.pipeline->find_view(relation.name) : nullptr;
      info.append_only = view && view->plan.root().append_only;
      const sql::OperatorRange& planned = relation.object->operators;
      const bool running = view && view->plan.root().id >= planned.first && view->plan.root().id < planned.end;
      if (!running) {  // the catalog is not yet in force
        batch::Session session(*node_.instance);  // the statement's own is at work
        Result<plan::Plan> plan = plan::deserialize(relation.object->plan, session);
        info.append_only = plan.ok() && plan->root().append_only;
      }
      break;
    }
    case Kind::kSystem:
      info.kind = sql::RelationKind::kSystem;
      info.append_only = false;
      break;
  }
  return info;
}

sql::RelationInfo Relations::raw_rows_of(const sql::Relation& table) const {
  sql::RelationInfo info = describe(table);
  info.name = raw_name(table.name);
  info.kind = sql::RelationKind::kStream;
  info.append_only = !info.key.empty();  // of a bag, rows are taken away by value
  info.has_deletes = !info.key.empty();
  info.version_key = std::exchange(info.key, {});
  if (table.object->watermark) info.watermark_column = info.schema.find(table.object->watermark->column);
  return info;
}

std::optional<sql::RelationInfo> Relations::find_versions(std::string_view name) const {
  const std::optional<sql::Relation> relation = catalog_.relation(name);
  const bool keyed =
      relation && relation->kind == sql::Relation::Kind::kTable && !relation->object->primary_key.empty();
  if (!keyed) return find(name);
  used_.emplace_back(relation->name);
  return raw_rows_of(*relation);
}

std::optional<sql::RelationInfo> Relations::find(std::string_view name) const {
  if (!raw_of_.empty() && iequals(name, raw_name(raw_of_))) {
    std::optional<sql::Relation> table = catalog_.relation(raw_of_);
    if (!table) return std::nullopt;
    return raw_rows_of(*table);
  }
  const sql::CatalogObject* object = catalog_.find(name);
  if (object && object->temporary) return std::nullopt;
  if (std::optional<sql::Relation> relation = catalog_.relation(name)) {
    if (relation->kind != sql::Relation::Kind::kSystem) used_.emplace_back(relation->name);
    return describe(*relation);
  }
  if (!object || object->kind != sql::ObjectKind::kView) return std::nullopt;
  used_.push_back(object->name);
  sql::RelationInfo info;
  info.name = object->name;
  info.kind = sql::RelationKind::kView;
  info.view_query = object->query;
  info.view_columns = object->query_columns;
  return info;
}

std::string Relations::suggestion(std::string_view name) const { return catalog_.did_you_mean(name); }

Result<std::unique_ptr<sql::RelationReader>> Relations::read(std::string_view name) const {
  MR_ASSIGN(Rows rows, this->rows(name));
  return rows();
}

Result<Relations::Rows> Relations::rows(std::string_view name) const {
  std::optional<sql::Relation> relation = catalog_.relation(name);
  if (!relation) return internal_error("a query reads an unknown relation: " + std::string(name));
  if (!node_.safe_mode.empty() && relation->kind != sql::Relation::Kind::kStream) {
    return external_error(sqlstate::kUnavailable,
                          "the rows of " + relation->name + " are not there in safe mode: " + node_.safe_mode);
  }
  if (relation->kind == sql::Relation::Kind::kSystem) {
    auto rows = std::make_shared<const std::vector<ledger::Ledger::Row>>(node_.ledger.rows());
    return Rows([rows] { return std::make_unique<LedgerReader>(rows); });
  }
  bool stored =
      relation->kind == sql::Relation::Kind::kTable || relation->kind == sql::Relation::Kind::kMaterializedView;
  if (stored) {
    PipelineView* view = node_.pipeline->find_view(relation->name);
    if (!view) return internal_error("a view is not in the pipeline: " + relation->name);
    const uint64_t bytes_max = shares_of(node_.options.memory_bytes).copy_bytes;
    auto rows = std::make_shared<const CopiedRows>(*view->store, node_.copied_bytes, bytes_max);
    if (node_.store) MR_TRY(node_.store->status());
    if (rows->snapshot.cut) {
      return user_error(sqlstate::kTooLarge, "the rows of " + relation->name + " do not fit into the " +
                                                 format_bytes(bytes_max) + " that queries may copy at a time")
          .with_hint("ask an aggregate of it that is a view of its own, or start the node with more --memory");
    }
    return Rows([rows] { return std::make_unique<StoreReader>(rows); });
  }
  std::shared_ptr<log::Stream> stream = node_.log->find(relation->stream);
  if (!stream) return internal_error("a stream has no log: " + relation->name);
  sql::CatalogObject described;
  bool companion = relation->kind == sql::Relation::Kind::kCompanion;
  bool refused = relation->companion == sql::CompanionKind::kRefused;
  if (!companion) described = *relation->object;
  described.columns = relation->columns;
  MR_ASSIGN(StreamSource source, make_stream_source(described, relation->name, stream, *node_.ddl_session));
  std::vector<Offset> ends;
  for (int32_t p = 0; p < stream->partition_count(); ++p) {
    Offset end = stream->partition(PartitionId(p)).end_offset();
    if (companion && !refused) {
      auto committed = node_.committed_ends.find({relation->stream, PartitionId(p)});
      end = committed == node_.committed_ends.end() ? Offset(0) : committed->second;
    }
    ends.push_back(end);
  }
  return Rows([&node = node_, source = std::move(source), ends = std::move(ends), with_positions = !refused] {
    return std::make_unique<StreamReader>(node, source, ends, with_positions);
  });
}

/// Remembers what a query asks for while it is planned.
class FirstLook final : public sql::RelationResolver {
 public:
  FirstLook(const Relations& relations, QueryRelations& answers) : relations_(relations), answers_(answers) {}

  std::optional<sql::RelationInfo> find(std::string_view name) const override {
    std::optional<sql::RelationInfo> info = relations_.find(name);
    if (info) answers_.found_.emplace(to_lower_ascii(name), *info);
    return info;
  }
  std::string suggestion(std::string_view name) const override { return relations_.suggestion(name); }
  Result<std::unique_ptr<sql::RelationReader>> read(std::string_view name) const override {
    return relations_.read(name);
  }

 private:
  const Relations& relations_;
  QueryRelations& answers_;
};

Result<std::unique_ptr<QueryRelations>> QueryRelations::of_query(batch::Session& session, const Relations& relations,
                                                                 std::string_view query, uint64_t text_offset) {
  auto result = std::make_unique<QueryRelations>();
  MR_ASSIGN(batch::Schema schema, sql::describe_query(session, FirstLook(relations, *result), query, text_offset));
  (void)schema;
  return result;
}

Status QueryRelations::take_rows(const Relations& relations) {
  for (const auto& [name, info] : found_) {
    if (info.kind == sql::RelationKind::kView) continue;
    MR_ASSIGN(rows_[info.name], relations.rows(info.name));
  }
  return {};
}

std::optional<sql::RelationInfo> QueryRelations::find(std::string_view name) const {
  auto found = found_.find(to_lower_ascii(name));
  if (found == found_.end()) return std::nullopt;
  return found->second;
}

Result<std::unique_ptr<sql::RelationReader>> QueryRelations::read(std::string_view name) const {
  auto found = rows_.find(std::string(name));
  if (found == rows_.end()) return internal_error("a query reads what it did not name: " + std::string(name));
  return found->second();
}

}  // namespace millrace::engine
