// What SELECT and CREATE MATERIALIZED VIEW may read: the catalog and the committed state, as sql/ wants to see them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/node_state.h"
#include "sql/relation.h"

namespace millrace::engine {

/// For one statement. The caller keeps the node's catalog from changing meanwhile (a readers lock, or the step lock).
class Relations final : public sql::RelationResolver {
 public:
  /// `catalog` may be one that is not yet in force. `raw_of`: the one table whose raw rows may be named as `t$raw`.
  Relations(NodeState& node, const sql::Catalog& catalog, std::string raw_of = {});

  std::optional<sql::RelationInfo> find(std::string_view name) const override;
  std::optional<sql::RelationInfo> find_versions(std::string_view name) const override;
  std::string suggestion(std::string_view name) const override;
  Result<std::unique_ptr<sql::RelationReader>> read(std::string_view name) const override;

  /// The committed rows of a relation as they are now. What it gives makes readers of them, each from the first row on,
  /// at any later time and without a lock.
  using Rows = std::function<std::unique_ptr<sql::RelationReader>()>;
  Result<Rows> rows(std::string_view name) const;

  /// Every name that find() was asked for and knew.
  const std::vector<std::string>& used() const { return used_; }

 private:
  sql::RelationInfo describe(const sql::Relation& relation) const;
  sql::RelationInfo raw_rows_of(const sql::Relation& table) const;

  NodeState& node_;
  const sql::Catalog& catalog_;
  std::string raw_of_;
  mutable std::vector<std::string> used_;
};

/// What one pull query reads, all of it as of one commit: made under the readers' lock, used without it. So a long
/// query holds back no commit.
class QueryRelations final : public sql::RelationResolver {
 public:
  /// Plans the query against `relations` to learn what it reads (relations.used()). Fails as the query would.
  static Result<std::unique_ptr<QueryRelations>> of_query(batch::Session& session, const Relations& relations,
                                                          std::string_view query, uint64_t text_offset);
  /// Takes the rows as they are now.
  Status take_rows(const Relations& relations);

  std::optional<sql::RelationInfo> find(std::string_view name) const override;
  std::string suggestion(std::string_view) const override { return {}; }
  Result<std::unique_ptr<sql::RelationReader>> read(std::string_view name) const override;

 private:
  friend class FirstLook;
  std::map<std::string, sql::RelationInfo> found_;  // by name in lower case
  std::map<std::string, Relations::Rows> rows_;     // by name as it was created
};

/// `_ledger`'s columns.
std::vector<sql::CatalogColumn> ledger_columns();

}  // namespace millrace::engine
