// CREATE OR REPLACE MATERIALIZED VIEW: the new definition is filled beside the old one, with operators of its own, and
// takes its place at once; views that read it are planned again and filled with it. docs/adr/0015-replacing-views.md
#pragma once

#include <vector>

#include "base/result.h"
#include "engine/node_state.h"

namespace millrace::engine {

/// The change takes the place of a materialized view.
inline bool replaces_view(const sql::CatalogChange& change) {
  return !change.removed.empty() && !change.added.empty() && change.added[0].kind == sql::ObjectKind::kMaterializedView;
}

/// Refuses what readers of the view would not bear; plans the views that read it again, in `catalog`, which has the new
/// definition. Returns the operators that go.
Result<std::vector<OperatorId>> plan_replacement(NodeState& node, const sql::CatalogChange& change,
                                                 sql::Catalog& catalog);
/// Of these views nothing is in the books any more.
void count_anew(NodeState& node, const std::vector<std::string>& views);
/// The views whose plan is another in `catalog`.
std::vector<std::string> replanned_views(const sql::Catalog& before, const sql::Catalog& catalog);

/// Plain views that read the altered object are text: they are described again, in `catalog`, and may not fail.
Status describe_plain_views(NodeState& node, const std::string& altered, sql::Catalog& catalog);

}  // namespace millrace::engine
