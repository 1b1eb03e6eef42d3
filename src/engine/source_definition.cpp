// From the catalog's definition of a stream to what the engine needs to read it.
#include "base/text.h"
#include "connectors/connector.h"
#include "engine/pipeline.h"
#include "sql/bind.h"

namespace millrace::engine {

batch::Schema schema_of(const std::vector<sql::CatalogColumn>& columns) {
  batch::Schema schema;
  for (const sql::CatalogColumn& column : columns) {
    auto type = batch::Type::parse(column.type_text);
    MR_CHECK(type.ok(), "the catalog holds a type that does not parse: " + column.type_text);
    schema.fields.push_back({column.name, *type});
  }
  return schema;
}

Result<StreamSource> make_stream_source(const sql::CatalogObject& object, std::string name,
                                        std::shared_ptr<log::Stream> stream, batch::Session& session) {
  StreamSource source;
  source.name = std::move(name);
  source.id = object.stream;
  source.stream = std::move(stream);
  source.schema = schema_of(object.columns);
  for (const std::string& column : object.primary_key) {
    source.key.push_back(static_cast<uint32_t>(source.schema.find(column)));
  }
  for (const sql::AddedColumn& added : object.added) source.later.push_back({added.since, added.default_value});
  const sql::Options& options = object.options;
  source.format = connectors::record_format(options);
  if (source.format == "csv") {
    const std::string& delimiter = options.text("delimiter");
    if (!delimiter.empty()) source.decoder_options.delimiter = delimiter[0];
    if (!options.text("null_text").empty()) source.decoder_options.null_text = options.text("null_text");
  }
  if (options.has("message_id")) source.message_id_column = source.schema.find(options.text("message_id"));
  if (options.has("idle_timeout")) source.idle_timeout = options.duration("idle_timeout");
  if (object.watermark) {
    MR_ASSIGN(source.watermark, sql::bind_scalar(session, source.schema, object.watermark->expression,
                                                 batch::Type(batch::TypeId::kTimestamp)));
  }
  MR_ASSIGN(auto decoder, connectors::make_decoder(source.format, source.schema, source.decoder_options));
  (void)decoder;
  return source;
}

Deletes deletes_of(const plan::Plan& table) {
  for (const plan::Node& node : table.nodes) {
    const auto* source = std::get_if<plan::Source>(&node.operation);
    if (!source) continue;
    for (const plan::SourceColumn& column : source->columns) {
      if (column.kind == plan::SourceColumnKind::kDeleted) return Deletes::kByKey;
    }
    if (!node.append_only) return Deletes::kByValue;
  }
  return Deletes::kNone;
}

}  // namespace millrace::engine
