// Queries over committed rows.
#include <shared_mutex>

#include "engine/node_state.h"
#include "engine/relations.h"

namespace millrace::engine {

Result<std::unique_ptr<QueryRelations>> relations_of(NodeState& node, batch::Session& session, std::string_view query,
                                                     uint64_t text_offset) {
  while (true) {
    std::vector<std::string> needed;
    {
      std::shared_lock readers(node.readers_mutex);
      MR_TRY(refuse_while_restarting(node));
      Relations relations(node, node.catalog);
      MR_ASSIGN(auto reads, QueryRelations::of_query(session, relations, query, text_offset));
      for (const std::string& name : relations.used()) {
        PipelineView* view = node.pipeline->find_view(name);
        if (view && !view->kept) needed.push_back(name);
      }
      if (needed.empty()) {
        MR_TRY(reads->take_rows(relations));
        return reads;
      }
    }
    std::lock_guard ddl(node.ddl_mutex);
    MR_TRY(keep_rows(node, needed));
  }
}

Result<sql::QueryResult> run_over_rows(NodeState& node, std::string_view query, uint64_t text_offset,
                                       CancelToken* cancel) {
  batch::Session session(*node.instance);
  MR_ASSIGN(auto reads, relations_of(node, session, query, text_offset));
  MR_TRY(node.env.failpoints().point("engine.query").check());
  if (node.stopping) return user_error(sqlstate::kUnavailable, "the node is stopping");
  const CancelToken::Registration registration(cancel, [&session] { session.interrupt(); });
  if (cancel && cancel->cancelled()) return user_error(sqlstate::kCancelled, "the client is gone");
  return sql::run_query(session, *reads, query, text_offset, node.options.query_rows_max);
}

}  // namespace millrace::engine
