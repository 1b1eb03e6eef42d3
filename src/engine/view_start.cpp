#include "engine/view_start.h"

#include "base/text.h"
#include "sql/start_point.h"
#include "sql/suggest.h"

namespace millrace::engine {
namespace {

struct StreamRead {
  std::string name;
  std::shared_ptr<log::Stream> stream;
  bool engine_written = false;  ///< only what is committed counts
};

std::vector<StreamRead> streams_of(NodeState& node, const sql::Catalog& catalog, const plan::Plan& plan) {
  std::vector<StreamRead> streams;
  for (const std::string& name : plan.relations()) {
    std::optional<sql::Relation> relation = catalog.relation(name);
    if (!relation) continue;
    const bool companion = relation->kind == sql::Relation::Kind::kCompanion;
    if (!companion && relation->kind != sql::Relation::Kind::kStream) continue;
    if (auto stream = node.log->find(relation->stream)) streams.push_back({relation->name, stream, companion});
  }
  return streams;
}

Offset end_of(NodeState& node, const StreamRead& read, PartitionId partition) {
  const Offset end = read.stream->partition(partition).end_offset();
  if (!read.engine_written) return end;
  std::shared_lock readers(node.readers_mutex);
  auto committed = node.committed_ends.find({read.stream->id(), partition});
  return committed == node.committed_ends.end() ? Offset(0) : std::min(end, committed->second);
}

Error bad_start(std::string message, std::string hint) {
  return user_error(sqlstate::kInvalidParameter, std::move(message)).with_hint(std::move(hint));
}

Result<Offset> place_position(NodeState& node, const StreamRead& read, const sql::StartPoint::Position& position) {
  if (position.partition.value >= read.stream->partition_count()) {
    return bad_start("stream " + read.name + " has no partition " + std::to_string(position.partition.value),
                     "its partitions are 0 to " + std::to_string(read.stream->partition_count() - 1));
  }
  const Offset begin = read.stream->partition(position.partition).begin_offset();
  const Offset end = end_of(node, read, position.partition);
  const std::string where = "partition " + std::to_string(position.partition.value) + " of " + read.name;
  if (position.offset < begin) {
    return bad_start("this position is no longer kept: " + where + " begins at " + std::to_string(begin.value),
                     "start there, or at the 'beginning'");
  }
  if (position.offset > end) {
    return bad_start("this position is not there yet: " + where + " ends at " + std::to_string(end.value),
                     "start there, or 'now'");
  }
  return position.offset;
}

Status place_positions(NodeState& node, const std::vector<StreamRead>& streams, const sql::StartPoint& point,
                       std::vector<sql::StreamStart>& starts) {
  for (const sql::StartPoint::Position& position : point.positions) {
    size_t at = 0;
    while (at < streams.size() && !iequals(position.stream, streams[at].name)) ++at;
    if (position.stream.empty() && streams.size() == 1) at = 0;
    if (at == streams.size()) {
      std::vector<std::string> names;
      for (const StreamRead& read : streams) names.push_back(read.name);
      return bad_start(position.stream.empty() ? "a position needs the name of its stream, as the query reads several"
                                               : "the query reads no stream " + position.stream,
                       "it reads " + sql::enumerate(names) + ": '" + names.front() + ":0:120'");
    }
    MR_ASSIGN(starts[at].offsets[static_cast<size_t>(position.partition.value)],
              place_position(node, streams[at], position));
  }
  return {};
}

Result<std::vector<sql::StreamStart>> place(NodeState& node, const std::vector<StreamRead>& streams,
                                            const sql::StartPoint& point) {
  if (streams.empty()) {
    return bad_start("the option start is for streams, and this query reads none itself",
                     "give it to the views that it reads; tables and views are read whole");
  }
  if (point.kind == sql::StartPoint::Kind::kTime && point.time > node.env.clock().now()) {
    return bad_start("the view cannot start at a time to come: " + format_iso8601(point.time),
                     "start 'now', or take the time in WHERE");
  }
  std::vector<sql::StreamStart> starts;
  for (const StreamRead& read : streams) {
    sql::StreamStart start{read.stream->id(), {}};
    for (int32_t p = 0; p < read.stream->partition_count(); ++p) {
      Offset offset(0);
      const Offset end = end_of(node, read, PartitionId(p));
      if (point.kind == sql::StartPoint::Kind::kNow) offset = end;
      if (point.kind == sql::StartPoint::Kind::kTime) {
        MR_ASSIGN(offset, read.stream->partition(PartitionId(p)).offset_at_or_after(point.time));
        offset = std::min(offset, end);
      }
      start.offsets.push_back(offset);
    }
    starts.push_back(std::move(start));
  }
  MR_TRY(place_positions(node, streams, point, starts));
  return starts;
}

}  // namespace

Result<std::vector<sql::StreamStart>> find_starts(NodeState& node, const sql::Catalog& catalog, const plan::Plan& plan,
                                                  const std::vector<sql::Option>& options) {
  for (const sql::Option& option : options) {
    if (option.name != "start" || option.value.empty()) continue;
    MR_ASSIGN(const sql::StartPoint point, sql::parse_start_point(option.value));
    if (point.kind == sql::StartPoint::Kind::kBeginning) break;
    Result<std::vector<sql::StreamStart>> starts = place(node, streams_of(node, catalog, plan), point);
    if (!starts.ok() && starts.error().fault == Fault::kUser) return std::move(starts).error().at(option.value_span);
    return starts;
  }
  return std::vector<sql::StreamStart>();
}

std::string describe_start(const sql::CatalogObject& view, StreamId stream, const std::string& name) {
  std::vector<std::string> places;
  for (const sql::StreamStart& start : view.starts) {
    if (start.stream != stream) continue;
    for (size_t p = 0; p < start.offsets.size(); ++p) {
      const Offset from = start.offsets[p];
      if (from > Offset(0)) places.push_back(std::to_string(p) + ":" + std::to_string(from.value));
    }
  }
  return places.empty() ? name : name + " from " + join(places, ", ");
}

}  // namespace millrace::engine
