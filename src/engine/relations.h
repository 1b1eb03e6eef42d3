// What SELECT and CREATE MATERIALIZED VIEW may read: the catalog and the committed state, as sql/ wants to see them.
#pragma once

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
  std::string suggestion(std::string_view name) const override;
  Result<std::unique_ptr<sql::RelationReader>> read(std::string_view name) const override;

  /// Every name that find() was asked for and knew.
  const std::vector<std::string>& used() const { return used_; }

 private:
  sql::RelationInfo describe(const sql::Relation& relation) const;

  NodeState& node_;
  const sql::Catalog& catalog_;
  std::string raw_of_;
  mutable std::vector<std::string> used_;
};

/// `_ledger`'s columns.
std::vector<sql::CatalogColumn> ledger_columns();

}  // namespace millrace::engine
