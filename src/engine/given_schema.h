// CREATE STREAM over a topic that a Kafka client made: the stream's log stays, and its records, which steps have taken
// as bytes, are taken again as rows. docs/adr/0021-schema-of-a-topic.md
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/node_state.h"

namespace millrace::engine {

/// The streams that are rows in `catalog` and were bytes in `before`.
std::vector<sql::CatalogObject> streams_given_schema(const sql::Catalog& before, const sql::Catalog& catalog);

/// What a checkpoint calls a stream that got its schema when the stream was there, as note_name() a view: one that does
/// not name it has positions of the bytes.
std::string note_name(const sql::CatalogObject& stream);
/// The streams of the catalog that the checkpoint knows as bytes, or not at all.
std::vector<sql::CatalogObject> streams_not_in_note(const sql::Catalog& catalog, const CheckpointNote& note);

/// From the beginning of its log, as if nothing of it had been taken.
void begin_anew(RunningSource& running);

/// Of a stream that got its schema: what was decoded from its bytes goes, from the books and from `_dead`. With
/// step_mutex held; `written` is as of the last commit before.
Status forget_bytes(NodeState& node, const sql::CatalogObject& stream);

}  // namespace millrace::engine
